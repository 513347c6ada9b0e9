import { join } from 'node:path'

/** Where a pod's files live below the data directory; the layout is the kubelet's own (/var/lib/kubelet/pods/…). */
export interface PodPaths {
  readonly root: string
  volume(plugin: string, name: string): string
  readonly volumes: string
  readonly etcHosts: string
  readonly resolvConf: string
  readonly hostname: string
  terminationLog(container: string, attempt: number): string
}

export const podsDirectory = (dataDir: string): string => join(dataDir, 'pods')

export function podPaths(dataDir: string, podUid: string): PodPaths {
  const root = join(podsDirectory(dataDir), podUid)
  return {
    root,
    volumes: join(root, 'volumes'),
    volume: (plugin, name) => join(root, 'volumes', `kubernetes.io~${plugin}`, name),
    etcHosts: join(root, 'etc-hosts'),
    resolvConf: join(root, 'resolv.conf'),
    hostname: join(root, 'hostname'),
    terminationLog: (container, attempt) => join(root, 'containers', container, String(attempt)),
  }
}
