import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ConfigMap, Namespace, ResourceQuota, Secret, ServiceAccount } from '../../src/api/kinds.ts'
import { type Invocation, option, type OptionDefinition, UsageError } from '../command.ts'
import { parsePairs, readData } from '../key-values.ts'
import type { CreateTarget } from '../create-object.ts'
import type { Generator } from './generator.ts'

export const namespaceGenerator: Generator = {
  name: 'namespace',
  failure: null,
  aliases: ['ns'],
  arguments: '<name>',
  summary: 'A namespace',
  options: [],
  target: { group: '', version: 'v1', resource: 'namespaces', singular: 'namespace', namespaced: false },
  build: ({ args: [name = ''] }): Namespace => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }),
}

const dataOptions: readonly OptionDefinition[] = [
  { flags: '--from-literal <key=value>', summary: 'a key and its value', repeatable: true },
  { flags: '--from-file <[key=]path>', summary: "a file, or a directory's files", repeatable: true },
  { flags: '--from-env-file <path>', summary: 'a file of KEY=value lines', repeatable: true },
  { flags: '--append-hash', summary: 'append a hash of the content to the name' },
]

const dataOf = (invocation: Invocation): Map<string, Buffer> =>
  readData({
    literals: option.list(invocation, 'fromLiteral'),
    files: option.list(invocation, 'fromFile'),
    envFiles: option.list(invocation, 'fromEnvFile'),
  })

/** A name that changes with the content, so that pods that name it are replaced when it changes. */
const hashedName = (invocation: Invocation, name: string, content: unknown): string =>
  option.flag(invocation, 'appendHash')
    ? `${name}-${createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 10)}`
    : name

/** Bytes that are text stay readable; all others are binary data. */
const asText = (bytes: Buffer): string | undefined => {
  const text = bytes.toString('utf8')
  return Buffer.from(text).equals(bytes) ? text : undefined
}

export const configMapGenerator: Generator = {
  name: 'configmap',
  aliases: ['cm'],
  arguments: '<name>',
  summary: 'A config map of literals and files',
  options: dataOptions,
  target: { group: '', version: 'v1', resource: 'configmaps', singular: 'configmap', namespaced: true },
  build(invocation): ConfigMap {
    const entries = [...dataOf(invocation)].map(([key, bytes]) => ({ key, bytes, text: asText(bytes) }))
    const data = Object.fromEntries(entries.flatMap(({ key, text }) => (text === undefined ? [] : [[key, text]])))
    const binaryData = Object.fromEntries(
      entries.flatMap(({ key, bytes, text }) => (text === undefined ? [[key, bytes.toString('base64')]] : [])),
    )
    const content = {
      ...(Object.keys(data).length > 0 ? { data } : {}),
      ...(Object.keys(binaryData).length > 0 ? { binaryData } : {}),
    }
    const name = hashedName(invocation, invocation.args[0] ?? '', content)
    return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, ...content }
  },
}

export const secretTarget: CreateTarget = {
  group: '',
  version: 'v1',
  resource: 'secrets',
  singular: 'secret',
  namespaced: true,
}

function secret(invocation: Invocation, type: string | undefined, data: Iterable<[string, Buffer]>): Secret {
  const encoded = Object.fromEntries([...data].map(([key, bytes]) => [key, bytes.toString('base64')]))
  const content = {
    ...(Object.keys(encoded).length > 0 ? { data: encoded } : {}),
    ...(type === undefined ? {} : { type }),
  }
  const name = hashedName(invocation, invocation.args[0] ?? '', content)
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, ...content }
}

export const genericSecretGenerator: Generator = {
  name: 'generic',
  arguments: '<name>',
  summary: 'A secret of literals and files',
  options: [...dataOptions, { flags: '--type <type>', summary: 'type of the secret' }],
  target: secretTarget,
  failure: 'failed to create secret',
  build: (invocation) => secret(invocation, option.text(invocation, 'type'), dataOf(invocation)),
}

const appendHash: OptionDefinition = { flags: '--append-hash', summary: 'append a hash of the content to the name' }

export const registrySecretGenerator: Generator = {
  name: 'docker-registry',
  arguments: '<name>',
  summary: 'A secret for a container registry',
  options: [
    { flags: '--docker-server <server>', summary: 'the registry', default: 'https://index.docker.io/v1/' },
    { flags: '--docker-username <user>', summary: 'user' },
    { flags: '--docker-password <password>', summary: 'password' },
    { flags: '--docker-email <email>', summary: 'mail address' },
    { flags: '--from-file <[key=]path>', summary: 'a .dockerconfigjson instead', repeatable: true },
    appendHash,
  ],
  target: secretTarget,
  failure: 'failed to create secret',
  build(invocation) {
    const type = 'kubernetes.io/dockerconfigjson'
    const files = option.list(invocation, 'fromFile')
    if (files.length > 0) {
      const read = [...readData({ literals: [], files, envFiles: [] }).values()]
      return secret(
        invocation,
        type,
        read.map((bytes) => ['.dockerconfigjson', bytes]),
      )
    }
    const username = option.text(invocation, 'dockerUsername')
    const password = option.text(invocation, 'dockerPassword')
    if (!username || !password)
      throw new UsageError(
        'either --from-file or the combination of --docker-username, --docker-password and --docker-server is required',
      )
    const email = option.text(invocation, 'dockerEmail')
    const server = option.text(invocation, 'dockerServer') ?? ''
    const auth = Buffer.from(`${username}:${password}`).toString('base64')
    const config = { auths: { [server]: { username, password, ...(email ? { email } : {}), auth } } }
    return secret(invocation, type, [['.dockerconfigjson', Buffer.from(JSON.stringify(config))]])
  },
}

export const tlsSecretGenerator: Generator = {
  name: 'tls',
  arguments: '<name>',
  summary: 'A secret of a certificate and its key',
  options: [
    { flags: '--cert <path>', summary: 'certificate (PEM)' },
    { flags: '--key <path>', summary: 'private key (PEM)' },
    appendHash,
  ],
  target: secretTarget,
  failure: 'failed to create secret',
  build(invocation) {
    const read = (flag: string): Buffer => {
      const path = option.text(invocation, flag)
      if (!path) throw new UsageError('key and cert must be specified')
      try {
        return readFileSync(path)
      } catch (error) {
        throw new UsageError(
          `Cannot read file ${path}, ${error instanceof Error && 'code' in error && error.code === 'ENOENT' ? `open ${path}: no such file or directory` : String(error)}`,
        )
      }
    }
    const [cert, key] = [read('cert'), read('key')]
    checkKeyPair(cert, key)
    return secret(invocation, 'kubernetes.io/tls', [
      ['tls.crt', cert],
      ['tls.key', key],
    ])
  },
}

/** Throws UsageError, in the words of Go's tls package, for what no server could use. */
function checkKeyPair(cert: Buffer, key: Buffer): void {
  for (const [name, pem] of Object.entries({ certificate: cert, key }))
    if (!pem.includes('-----BEGIN ')) throw new UsageError(`tls: failed to find any PEM data in ${name} input`)
  let matches: boolean
  try {
    matches = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  } catch (error) {
    throw new UsageError(
      `tls: failed to parse the certificate or its key: ${error instanceof Error ? error.message : ''}`,
    )
  }
  if (!matches) throw new UsageError('tls: private key does not match public key')
}

export const serviceAccountGenerator: Generator = {
  name: 'serviceaccount',
  aliases: ['sa'],
  arguments: '<name>',
  summary: 'A service account',
  options: [],
  target: { group: '', version: 'v1', resource: 'serviceaccounts', singular: 'serviceaccount', namespaced: true },
  build: ({ args: [name = ''] }): ServiceAccount => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } }),
}

export const quotaGenerator: Generator = {
  name: 'quota',
  aliases: ['resourcequota'],
  arguments: '<name>',
  summary: 'A resource quota',
  options: [
    { flags: '--hard <resource=quantity,...>', summary: 'the limits', repeatable: true },
    { flags: '--scopes <scopes>', summary: 'scopes that it counts, separated by commas' },
  ],
  target: { group: '', version: 'v1', resource: 'resourcequotas', singular: 'resourcequota', namespaced: true },
  build(invocation): ResourceQuota {
    const scopes = option.text(invocation, 'scopes')?.split(',')
    return {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: invocation.args[0] ?? '' },
      spec: { hard: hardOf(invocation), ...(scopes ? { scopes } : {}) },
    }
  },
}

function hardOf(invocation: Invocation): Record<string, string> {
  const texts = option.list(invocation, 'hard').flatMap((one) => one.split(','))
  const wrong = texts.find((text) => !/^[^=]+=[^=]+$/.test(text))
  if (wrong !== undefined) throw new UsageError(`Invalid argument syntax ${wrong}, expected <resource>=<value>`)
  return parsePairs(texts, 'hard')
}
