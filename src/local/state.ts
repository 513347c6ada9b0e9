import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { clusterDir, maxClusters, type LocalCluster } from './layout.ts'

/** The clusters of this machine, each in a directory with a state file. */
export function listClusters(root: string): LocalCluster[] {
  if (!existsSync(root)) return []
  return readdirSync(root)
    .map((name) => loadCluster(root, name))
    .filter((cluster) => cluster !== undefined)
    .toSorted((a, b) => a.name.localeCompare(b.name))
}

export function loadCluster(root: string, name: string): LocalCluster | undefined {
  try {
    return JSON.parse(readFileSync(join(clusterDir(root, name), 'cluster.json'), 'utf8')) as LocalCluster
  } catch {
    return undefined
  }
}

/**
 * Claims a name and a subnet that no other cluster has. Both claims are files that are created exclusively, so two that
 * run at once get neither the same name nor the same subnet.
 */
export function createClusterState(root: string, wanted: Omit<LocalCluster, 'subnet'>): LocalCluster {
  mkdirSync(clusterDir(root, wanted.name), { recursive: true })
  const cluster: LocalCluster = { ...wanted, subnet: claimSubnet(root, wanted.name) }
  if (createExclusively(join(clusterDir(root, cluster.name), 'cluster.json'), JSON.stringify(cluster, null, 2) + '\n'))
    return cluster
  rmSync(subnetClaim(root, cluster.subnet), { force: true })
  throw new Error(`there is already a local cluster "${cluster.name}"`)
}

const subnetClaim = (root: string, subnet: number): string => join(root, `.subnet-${subnet}`)

function claimSubnet(root: string, name: string): number {
  const taken = new Set(listClusters(root).map((cluster) => cluster.subnet))
  for (let subnet = 0; subnet < maxClusters; subnet++) {
    if (taken.has(subnet) || existsSync(`/sys/class/net/stormo-h${subnet}`)) continue
    if (createExclusively(subnetClaim(root, subnet), name)) return subnet
  }
  throw new Error(`there are already ${maxClusters} local clusters: remove one with 'stormo cluster down --name …'`)
}

/** False when the file is there already. */
function createExclusively(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

export function removeClusterState(root: string, cluster: LocalCluster): void {
  rmSync(clusterDir(root, cluster.name), { recursive: true, force: true })
  rmSync(subnetClaim(root, cluster.subnet), { force: true })
  if (existsSync(root) && readdirSync(root).length === 0) rmSync(root, { recursive: true, force: true })
}
