import { join } from 'node:path'

/** A machine of a local cluster: a set of namespaces with an address, a Docker daemon and an agent of its own. */
export interface LocalNode {
  /** `demo-1`; also its host name and the name of its Node object. */
  readonly name: string
  readonly index: number
  readonly address: string
  /** On a link of both families. */
  readonly address6: string
  /** Everything that its "disk" holds. */
  readonly dir: string
  /** Name of its network namespace on the host. */
  readonly netns: string
  /** Its port of the switch, inside the switch's namespace. */
  readonly switchPort: string
  readonly cgroup: string
}

/** A cluster of machines on this machine, as written in its state file. */
export interface LocalCluster {
  readonly name: string
  /** Third byte of its subnet 10.200.x.0/24; clusters that live side by side differ in it. */
  readonly subnet: number
  readonly nodeCount: number
  /** The nodes have a way out of their namespaces through this host. */
  readonly uplink: boolean
  /** The nodes, and this host on their link, have addresses of IPv6 too. */
  readonly isDualStack: boolean
}

/** The most nodes of a local cluster, and the most clusters side by side. */
export const maxNodes = 50
export const maxClusters = 200

/** Where local clusters keep their files; STORMO_CLUSTERS overrides it. */
export function clustersDir(env: NodeJS.ProcessEnv): string {
  return env['STORMO_CLUSTERS'] ?? '/var/lib/stormo-clusters'
}

export function clusterDir(root: string, name: string): string {
  return join(root, name)
}

export const switchNetns = (cluster: LocalCluster): string => `stormo-${cluster.name}-switch`
/** Interface names have at most 15 characters, so they carry the subnet's number instead of the cluster's name. */
export const hostLink = (cluster: LocalCluster): string => `stormo-h${cluster.subnet}`
export const subnetCidr = (cluster: LocalCluster): string => `10.200.${cluster.subnet}.0/24`
export const hostAddress = (cluster: LocalCluster): string => `10.200.${cluster.subnet}.253`
export const hostAddress6 = (cluster: LocalCluster): string => address6(cluster, 253)
export const switchAddress = (cluster: LocalCluster): string => `10.200.${cluster.subnet}.254`

/** Of the cluster's own /64, with the same last number as the IPv4 address that goes with it. */
const address6 = (cluster: LocalCluster, number: number): string => `fd00:10:200:${cluster.subnet}::${number}`

/** The nth machine, counted from 1. */
export function localNode(root: string, cluster: LocalCluster, index: number): LocalNode {
  const name = `${cluster.name}-${index}`
  return {
    name,
    index,
    address: `10.200.${cluster.subnet}.${index}`,
    address6: address6(cluster, index),
    dir: join(clusterDir(root, cluster.name), name),
    netns: `stormo-${name}`,
    switchPort: `port${index}`,
    cgroup: `stormo-${name}`,
  }
}

export function localNodes(root: string, cluster: LocalCluster): LocalNode[] {
  return Array.from({ length: cluster.nodeCount }, (_, position) => localNode(root, cluster, position + 1))
}

/** A cluster's name becomes part of host names and namespaces. Returns what is wrong with it, or undefined. */
export function invalidClusterName(name: string): string | undefined {
  if (/^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$/.test(name)) return undefined
  return `cluster name ${JSON.stringify(name)}: at most 30 lower case letters, digits and '-', beginning with a letter and not ending with '-'`
}
