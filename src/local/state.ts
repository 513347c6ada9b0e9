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
 * Claims a name and a subnet that no other cluster has. The state file is created exclusively, so two that run at once
 * do not get the same name; two of different names that take the same subnet are told apart by the second's link.
 */
export function createClusterState(root: string, wanted: Omit<LocalCluster, 'subnet'>): LocalCluster {
  const taken = new Set(listClusters(root).map((cluster) => cluster.subnet))
  let subnet = 0
  while (taken.has(subnet) || existsSync(`/sys/class/net/stormo-h${subnet}`)) subnet++
  if (subnet >= maxClusters)
    throw new Error(`there are already ${maxClusters} local clusters: remove one with 'stormo cluster down --name …'`)
  const cluster: LocalCluster = { ...wanted, subnet }
  mkdirSync(clusterDir(root, cluster.name), { recursive: true })
  writeFileSync(join(clusterDir(root, cluster.name), 'cluster.json'), JSON.stringify(cluster, null, 2) + '\n', {
    flag: 'wx',
  })
  return cluster
}

export function removeClusterState(root: string, name: string): void {
  rmSync(clusterDir(root, name), { recursive: true, force: true })
  if (existsSync(root) && readdirSync(root).length === 0) rmSync(root, { recursive: true, force: true })
}
