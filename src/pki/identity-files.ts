import type { ClusterSecrets } from './cluster-secrets.ts'
import type { NodeIdentity } from './node-identity.ts'
import type { ServiceAccountKey } from './service-account-keys.ts'

/** File name under the identity directory → content. */
export type IdentityFiles = Record<string, string>

/** Everything that a member keeps below its identity directory. */
export interface Identity {
  cluster: ClusterSecrets
  node: NodeIdentity
}

const names = {
  cluster: 'cluster.json',
  node: 'node.json',
  caCert: 'ca.crt',
  caKey: 'ca.key',
  frontProxyCert: 'front-proxy-ca.crt',
  frontProxyKey: 'front-proxy-ca.key',
  serviceAccountKeys: 'sa.json',
  swarmKey: 'swarm.key',
  encryptionKeys: 'encryption.json',
} as const

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** The files of an identity. `node.json` comes last: where it is, all the others are (see {@link saveIdentity}). */
export function identityToFiles({ cluster, node }: Identity): IdentityFiles {
  return {
    [names.caCert]: cluster.ca.certPem,
    [names.caKey]: cluster.ca.keyPem,
    [names.frontProxyCert]: cluster.frontProxyCa.certPem,
    [names.frontProxyKey]: cluster.frontProxyCa.keyPem,
    [names.serviceAccountKeys]: json(cluster.serviceAccountKeys),
    [names.swarmKey]: cluster.swarmKey,
    [names.encryptionKeys]: json(cluster.encryptionKeys),
    [names.cluster]: json({ clusterId: cluster.clusterId, clusterName: cluster.clusterName }),
    [names.node]: json(node),
  }
}

/** Names of the files that {@link identityFromFiles} wants, in the order in which they are written. */
export const identityFileNames: readonly string[] = [
  names.caCert,
  names.caKey,
  names.frontProxyCert,
  names.frontProxyKey,
  names.serviceAccountKeys,
  names.swarmKey,
  names.encryptionKeys,
  names.cluster,
  names.node,
]

/** Reverse of {@link identityToFiles}. Throws an Error that names the file that is missing or damaged. */
export function identityFromFiles(files: Readonly<Partial<IdentityFiles>>): Identity {
  const text = (name: string): string => {
    const content = files[name]
    if (content === undefined) throw new Error(`identity file ${name} is missing`)
    return content
  }
  const parsed = <T>(name: string): T => {
    try {
      return JSON.parse(text(name)) as T
    } catch (error) {
      throw error instanceof SyntaxError ? new Error(`identity file ${name} is damaged: ${error.message}`) : error
    }
  }
  const ca = { certPem: text(names.caCert), keyPem: text(names.caKey) }
  // A cluster from before there was aggregation has no authority of its own for it; the name in the certificate, which
  // extension servers are told too, is what keeps its other clients out.
  const isOlder = files[names.frontProxyCert] === undefined && files[names.frontProxyKey] === undefined
  const { clusterId, clusterName } = parsed<{ clusterId: string; clusterName: string }>(names.cluster)
  return {
    cluster: {
      clusterId,
      clusterName,
      ca,
      frontProxyCa: isOlder ? ca : { certPem: text(names.frontProxyCert), keyPem: text(names.frontProxyKey) },
      serviceAccountKeys: parsed<ServiceAccountKey[]>(names.serviceAccountKeys),
      swarmKey: text(names.swarmKey),
      encryptionKeys: parsed<ClusterSecrets['encryptionKeys']>(names.encryptionKeys),
    },
    node: parsed<NodeIdentity>(names.node),
  }
}
