import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import type * as yaml from 'yaml'
import { parsePlainYaml } from './plain-yaml.ts'

const require = createRequire(import.meta.url)

/** How to reach one API server and who asks. PEM texts, not paths. */
export interface Connection {
  /** https://host:port, without a path. */
  server: string
  caPem?: string
  certPem?: string
  keyPem?: string
  token?: string
  insecure: boolean
  /** Name that the server's certificate must have, where it is not the host's. */
  serverName?: string
  /** Default namespace of the context. */
  namespace: string
}

/** One entry of a list of a kubeconfig, under `cluster`, `user` or `context`; what we do not know is kept. */
export interface KubeconfigEntry {
  name: string
  cluster?: {
    server?: string
    'certificate-authority'?: string
    'certificate-authority-data'?: string
    'insecure-skip-tls-verify'?: boolean
    'tls-server-name'?: string
    [other: string]: unknown
  }
  user?: {
    'client-certificate'?: string
    'client-certificate-data'?: string
    'client-key'?: string
    'client-key-data'?: string
    token?: string
    tokenFile?: string
    [other: string]: unknown
  }
  context?: { cluster?: string; user?: string; namespace?: string; [other: string]: unknown }
}

/** client-go's clientcmd/api/v1 Config. */
export interface Kubeconfig {
  apiVersion?: string
  kind?: string
  'current-context'?: string
  clusters?: KubeconfigEntry[] | null
  users?: KubeconfigEntry[] | null
  contexts?: KubeconfigEntry[] | null
}

export const parseKubeconfig = (text: string): Kubeconfig =>
  (parsePlainYaml(text) ?? (require('yaml') as typeof yaml).parse(text) ?? {}) as Kubeconfig

/** Paths in a kubeconfig are relative to the directory that it lies in. */
export function absolutePaths(config: Kubeconfig, dir: string): Kubeconfig {
  const absolute = <T extends object>(fields: T | undefined, keys: readonly string[]): T | undefined =>
    fields &&
    (Object.fromEntries(
      Object.entries(fields).map(([key, value]) => [
        key,
        keys.includes(key) && typeof value === 'string' && value !== '' ? resolve(dir, value) : value,
      ]),
    ) as T)
  const entries = (list: KubeconfigEntry[] | null | undefined): KubeconfigEntry[] =>
    (list ?? []).map(({ name, cluster, user, context }) => ({
      name,
      ...(cluster ? { cluster: absolute(cluster, ['certificate-authority'])! } : {}),
      ...(user ? { user: absolute(user, ['client-certificate', 'client-key', 'tokenFile'])! } : {}),
      ...(context ? { context } : {}),
    }))
  return {
    ...config,
    clusters: entries(config.clusters),
    users: entries(config.users),
    contexts: entries(config.contexts),
  }
}

/** Several kubeconfigs as one: of each name, and of the current context, the first counts. */
export function mergeKubeconfigs(configs: readonly Kubeconfig[]): Kubeconfig {
  const merged = (section: 'clusters' | 'users' | 'contexts'): KubeconfigEntry[] => {
    const all = configs.flatMap((config) => config[section] ?? [])
    return all.filter(({ name }, index) => all.findIndex((other) => other.name === name) === index)
  }
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': configs.map((config) => config['current-context']).find(Boolean) ?? '',
    clusters: merged('clusters'),
    users: merged('users'),
    contexts: merged('contexts'),
  }
}

export interface WantedContext {
  context?: string
  cluster?: string
  user?: string
}

/** The connection that a kubeconfig describes, as text. `readFile` resolves the files that it names. */
export const connectionFromKubeconfig = (
  text: string,
  readFile: (path: string) => string,
  wanted: WantedContext = {},
): Connection => chooseConnection(parseKubeconfig(text), readFile, wanted)

/** One context of a kubeconfig, or the parts that are wanted. Throws an Error that names the missing part. */
export function chooseConnection(
  config: Kubeconfig,
  readFile: (path: string) => string,
  wanted: WantedContext = {},
): Connection {
  const contextName = wanted.context ?? config['current-context']
  if (!contextName) throw new Error('the kubeconfig names no current-context: choose one with --context')
  const context = config.contexts?.find((one) => one.name === contextName)?.context
  if (!context) throw new Error(`Error in configuration: context was not found for specified context: ${contextName}`)
  const clusterName = wanted.cluster ?? context.cluster
  const cluster = config.clusters?.find((one) => one.name === clusterName)?.cluster
  if (!cluster?.server) throw new Error(`no server found for cluster "${clusterName ?? ''}"`)
  const userName = wanted.user ?? context.user
  const found = config.users?.find((one) => one.name === userName)
  if (wanted.user !== undefined && !found) throw new Error(`auth info "${wanted.user}" does not exist`)
  const user = found?.user ?? {}
  const pem = (data: string | undefined, path: string | undefined): string | undefined =>
    data ? Buffer.from(data, 'base64').toString('utf8') : path ? readFile(path) : undefined
  return {
    server: cluster.server.replace(/\/+$/, ''),
    caPem: pem(cluster['certificate-authority-data'], cluster['certificate-authority']),
    certPem: pem(user['client-certificate-data'], user['client-certificate']),
    keyPem: pem(user['client-key-data'], user['client-key']),
    token: user.token ?? (user.tokenFile ? readFile(user.tokenFile).trim() : undefined),
    insecure: cluster['insecure-skip-tls-verify'] ?? false,
    ...(cluster['tls-server-name'] ? { serverName: cluster['tls-server-name'] } : {}),
    namespace: context.namespace ?? 'default',
  }
}
