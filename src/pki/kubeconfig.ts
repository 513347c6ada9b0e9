/** A kubeconfig file (client.authentication v1 Config) as data; write it as JSON or YAML. */
export interface Kubeconfig {
  apiVersion: 'v1'
  kind: 'Config'
  clusters: { name: string; cluster: { server: string; 'certificate-authority-data': string } }[]
  users: {
    name: string
    user: { 'client-certificate-data'?: string; 'client-key-data'?: string; token?: string }
  }[]
  contexts: { name: string; context: { cluster: string; user: string; namespace?: string } }[]
  'current-context': string
  preferences: Record<string, never>
}

export interface KubeconfigOptions {
  /** Names the cluster and the context. */
  name: string
  /** https://host:port */
  server: string
  caPem: string
  /** Name of the user entry; `<name>-admin` when absent. */
  user?: string
  certPem?: string
  keyPem?: string
  token?: string
  namespace?: string
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** One cluster, one user (by certificate or token), one context, all self-contained: no paths to other files. */
export function kubeconfigFor(options: KubeconfigOptions): Kubeconfig {
  const user = options.user ?? `${options.name}-admin`
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: options.name,
        cluster: { server: options.server, 'certificate-authority-data': base64(options.caPem) },
      },
    ],
    users: [
      {
        name: user,
        user: {
          ...(options.certPem ? { 'client-certificate-data': base64(options.certPem) } : {}),
          ...(options.keyPem ? { 'client-key-data': base64(options.keyPem) } : {}),
          ...(options.token ? { token: options.token } : {}),
        },
      },
    ],
    contexts: [
      {
        name: options.name,
        context: {
          cluster: options.name,
          user,
          ...(options.namespace ? { namespace: options.namespace } : {}),
        },
      },
    ],
    'current-context': options.name,
    preferences: {},
  }
}
