import { createRequire } from 'node:module'
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

interface Named<K extends string, T> {
  clusters: (Record<K, T> & { name: string })[]
}

interface Kubeconfig {
  'current-context'?: string
  clusters?: Named<
    'cluster',
    {
      server?: string
      'certificate-authority'?: string
      'certificate-authority-data'?: string
      'insecure-skip-tls-verify'?: boolean
      'tls-server-name'?: string
    }
  >['clusters']
  users?: Named<
    'user',
    {
      'client-certificate'?: string
      'client-certificate-data'?: string
      'client-key'?: string
      'client-key-data'?: string
      token?: string
      tokenFile?: string
    }
  >['clusters']
  contexts?: Named<'context', { cluster?: string; user?: string; namespace?: string }>['clusters']
}

/**
 * Reads one context of a kubeconfig file (client-go's clientcmd/api/v1). `readFile` resolves the files that it names.
 * Throws an Error that names the missing part.
 */
export function connectionFromKubeconfig(
  text: string,
  readFile: (path: string) => string,
  wanted: { context?: string; cluster?: string; user?: string } = {},
): Connection {
  const config = (parsePlainYaml(text) ?? (require('yaml') as typeof yaml).parse(text) ?? {}) as Kubeconfig
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
