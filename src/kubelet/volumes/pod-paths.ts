import { join } from 'node:path'

/** Where a pod's files live below the data directory; the layout is the kubelet's own (/var/lib/kubelet/pods/…). */
export interface PodPaths {
  readonly root: string
  /** What must not be on a disk. */
  readonly memoryRoot: string
  volume(plugin: string, name: string): string
  readonly volumes: string
  readonly etcHosts: string
  readonly resolvConf: string
  readonly hostname: string
  terminationLog(container: string, attempt: number): string
}

export const podsDirectory = (dataDir: string): string => join(dataDir, 'pods')
export const memoryDirectory = (dataDir: string): string => join(dataDir, 'memory')

/** Plugins whose volumes may show Secrets, tokens or the pod's own metadata (upstream keeps the same in memory). */
const inMemory: ReadonlySet<string> = new Set(['secret', 'projected', 'downward-api'])

export function podPaths(dataDir: string, podUid: string): PodPaths {
  const root = join(podsDirectory(dataDir), podUid)
  const memoryRoot = join(memoryDirectory(dataDir), podUid)
  return {
    root,
    memoryRoot,
    volumes: join(root, 'volumes'),
    volume: (plugin, name) =>
      join(inMemory.has(plugin) ? memoryRoot : root, 'volumes', `kubernetes.io~${plugin}`, name),
    etcHosts: join(root, 'etc-hosts'),
    resolvConf: join(root, 'resolv.conf'),
    hostname: join(root, 'hostname'),
    terminationLog: (container, attempt) => join(root, 'containers', container, String(attempt)),
  }
}
