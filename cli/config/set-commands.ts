import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type CommandDefinition, type Invocation, option, type OptionDefinition, UsageError } from '../command.ts'
import { fileOption, KubeconfigFiles } from './kubeconfig-files.ts'

type Fields = Record<string, unknown>

const embedOption: OptionDefinition = { flags: '--embed-certs', summary: 'put the contents of the files into it' }

/** Paths, or with --embed-certs what stands there, and never both. */
function certificates(invocation: Invocation, keys: readonly [option: string, key: string][]): Fields {
  const isEmbedded = option.flag(invocation, 'embedCerts')
  const given = keys.flatMap(([name, key]) => {
    const path = option.text(invocation, name)
    return path === undefined ? [] : [[key, path] as const]
  })
  if (isEmbedded && given.length === 0)
    throw new UsageError(`you must specify a ${keys.map(([, key]) => `--${key}`).join(' or ')} to embed`)
  return Object.fromEntries(
    given.flatMap(([key, path]): [string, unknown][] => {
      const bytes = isEmbedded && path !== '' ? readCertificate(key, path) : undefined
      return [
        [key, bytes || path === '' ? undefined : resolve(path)],
        [`${key}-data`, bytes?.toString('base64')],
      ]
    }),
  )
}

function readCertificate(key: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new UsageError(`could not read ${key} data from ${path}: ${error instanceof Error ? error.message : ''}`)
  }
}

/** What is given under its key in the kubeconfig; empty text takes a value away. */
const given = (invocation: Invocation, keys: readonly [option: string, key: string][]): Fields =>
  Object.fromEntries(
    keys.flatMap(([name, key]) => {
      const value = option.text(invocation, name)
      return value === undefined ? [] : [[key, value === '' ? undefined : value]]
    }),
  )

const merged = (before: Fields | undefined, changes: Fields): Fields =>
  Object.fromEntries(Object.entries({ ...before, ...changes }).filter(([, value]) => value !== undefined))

const nameOf = (invocation: Invocation): string => {
  const [name, ...more] = invocation.args
  if (!name || more.length > 0) throw new UsageError(`Unexpected args: [${invocation.args.join(' ')}]`)
  return name
}

export const setClusterCommand: CommandDefinition = {
  name: 'set-cluster',
  arguments: '<name>',
  summary: 'Make or change a cluster',
  options: [
    fileOption,
    { flags: '--server <url>', summary: 'its API server' },
    { flags: '--certificate-authority <file>', summary: 'certificate of the authority to trust' },
    embedOption,
    { flags: '--insecure-skip-tls-verify', summary: "do not check the server's certificate" },
    { flags: '--no-insecure-skip-tls-verify', summary: 'check it again', hidden: true },
    { flags: '--tls-server-name <name>', summary: "name that the server's certificate must have" },
    { flags: '--proxy-url <url>', summary: 'proxy on the way to it; for kubectl' },
  ],
  async run(invocation) {
    const files = KubeconfigFiles.of(invocation)
    const name = nameOf(invocation)
    const authority = certificates(invocation, [['certificateAuthority', 'certificate-authority']])
    const { insecureSkipTlsVerify: insecure } = invocation.options
    if (Object.keys(authority).length > 0 && insecure === true)
      throw new UsageError('you cannot specify a certificate authority and insecure mode at the same time')
    const cluster = merged(files.entry('clusters', name)?.cluster, {
      ...given(invocation, [
        ['server', 'server'],
        ['tlsServerName', 'tls-server-name'],
        ['proxyUrl', 'proxy-url'],
      ]),
      ...authority,
      ...(insecure === undefined ? {} : { 'insecure-skip-tls-verify': insecure === true || undefined }),
    })
    files.put('clusters', { name, cluster })
    files.save()
    invocation.io.out(`Cluster "${name}" set.\n`)
  },
}

export const setContextCommand: CommandDefinition = {
  name: 'set-context',
  arguments: '[name]',
  summary: 'Make or change a context',
  options: [
    fileOption,
    { flags: '--current', summary: 'the context in use' },
    { flags: '--cluster <name>', summary: 'its cluster' },
    { flags: '--user <name>', summary: 'its user' },
    { flags: '-n, --namespace <namespace>', summary: 'its namespace' },
  ],
  async run(invocation) {
    const files = KubeconfigFiles.of(invocation)
    const isCurrent = option.flag(invocation, 'current')
    const name = isCurrent ? files.merged()['current-context'] : invocation.args[0]
    if (isCurrent && !name) throw new UsageError('no current context is set')
    if (!name) throw new UsageError('you must specify a non-empty context name or --current')
    const before = files.entry('contexts', name)
    const context = merged(
      before?.context,
      given(invocation, [
        ['cluster', 'cluster'],
        ['user', 'user'],
        ['namespace', 'namespace'],
      ]),
    )
    files.put('contexts', { name, context })
    files.save()
    invocation.io.out(`Context "${name}" ${before ? 'modified' : 'created'}.\n`)
  },
}

export const setCredentialsCommand: CommandDefinition = {
  name: 'set-credentials',
  arguments: '<name>',
  summary: 'Make or change a user',
  options: [
    fileOption,
    { flags: '--client-certificate <file>', summary: 'certificate to show' },
    { flags: '--client-key <file>', summary: 'key of the certificate' },
    embedOption,
    { flags: '--token <token>', summary: 'bearer token to show' },
    { flags: '--username <name>', summary: 'for basic authentication; Stormo has none' },
    { flags: '--password <password>', summary: 'for basic authentication; Stormo has none' },
    { flags: '--exec-command <command>', summary: 'program that fetches credentials' },
    { flags: '--exec-api-version <version>', summary: 'version of client.authentication.k8s.io that it speaks' },
    { flags: '--exec-arg <argument>', summary: 'argument of the program', repeatable: true },
    { flags: '--exec-env <name=value>', summary: 'variable of its environment', repeatable: true },
  ],
  async run(invocation) {
    const files = KubeconfigFiles.of(invocation)
    const name = nameOf(invocation)
    const token = option.text(invocation, 'token')
    const username = option.text(invocation, 'username')
    if (token && username)
      throw new UsageError(
        'you cannot specify more than one authentication method at the same time: --token, --username',
      )
    const before = files.entry('users', name)?.user
    const user = merged(before, {
      ...certificates(invocation, [
        ['clientCertificate', 'client-certificate'],
        ['clientKey', 'client-key'],
      ]),
      ...given(invocation, [
        ['token', 'token'],
        ['username', 'username'],
        ['password', 'password'],
      ]),
      ...(token ? { username: undefined, password: undefined } : {}),
      ...(username ? { token: undefined } : {}),
      ...execFields(invocation, before?.['exec'] as Fields | undefined),
    })
    files.put('users', { name, user })
    files.save()
    invocation.io.out(`User "${name}" set.\n`)
  },
}

function execFields(invocation: Invocation, before: Fields | undefined): Fields {
  const variables = option.list(invocation, 'execEnv').map((pair) => {
    const at = pair.indexOf('=')
    if (at <= 0) throw new UsageError(`invalid --exec-env value "${pair}": must be name=value`)
    return { name: pair.slice(0, at), value: pair.slice(at + 1) }
  })
  const args = option.list(invocation, 'execArg')
  const changes = {
    ...given(invocation, [
      ['execCommand', 'command'],
      ['execApiVersion', 'apiVersion'],
    ]),
    ...(args.length > 0 ? { args } : {}),
    ...(variables.length > 0 ? { env: variables } : {}),
  }
  if (Object.keys(changes).length === 0) return {}
  return { exec: { interactiveMode: 'IfAvailable', provideClusterInfo: false, ...merged(before, changes) } }
}
