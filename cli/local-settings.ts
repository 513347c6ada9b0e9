import { fileURLToPath } from 'node:url'
import type { LocalSettings } from '../src/local/cluster.ts'
import { clustersDir, invalidClusterName, type LocalCluster } from '../src/local/layout.ts'
import { listClusters, loadCluster } from '../src/local/state.ts'
import { type Invocation, type Io, option, UsageError } from './command.ts'

/** Local clusters as this checkout and environment have them; progress goes to stderr, so that stdout stays data. */
export function localSettings(io: Io): LocalSettings {
  return {
    root: clustersDir(io.env),
    launcher: fileURLToPath(new URL('stormo', import.meta.url)),
    progress: (line) => io.err(`${line}\n`),
    signal: io.signal,
  }
}

/** The cluster that `--name` (default demo) names. */
export function namedCluster(invocation: Invocation, settings: LocalSettings): LocalCluster {
  const name = option.text(invocation, 'name') ?? 'demo'
  const cluster = loadCluster(settings.root, name)
  if (cluster) return cluster
  const others = listClusters(settings.root).map((one) => one.name)
  const hint = others.length > 0 ? `there are: ${others.join(', ')}` : `make it with 'stormo cluster up'`
  throw new UsageError(`no local cluster is called "${name}": ${hint}`)
}

export function checkedName(invocation: Invocation): string {
  const name = option.text(invocation, 'name') ?? 'demo'
  const wrong = invalidClusterName(name)
  if (wrong) throw new UsageError(wrong)
  return name
}

/** A node's own name tells its cluster, so `--name` is needed only for numbers, and where no node is named. */
export function clusterOfNode(invocation: Invocation, settings: LocalSettings, node: string | undefined): LocalCluster {
  const name = /^(.+)-\d+$/.exec(node ?? '')?.[1]
  return (name && loadCluster(settings.root, name)) || namedCluster(invocation, settings)
}
