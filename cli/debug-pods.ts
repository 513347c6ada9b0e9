import type { Container, Pod, SecurityContext } from '../src/api/kinds.ts'

export const debugProfiles = ['legacy', 'general', 'baseline', 'restricted', 'netadmin', 'sysadmin'] as const
export type DebugProfile = (typeof debugProfiles)[number]

/** What each profile allows the container that looks (KEP-1441). */
const rights: Readonly<Record<DebugProfile, SecurityContext | undefined>> = {
  legacy: undefined,
  general: { capabilities: { add: ['SYS_PTRACE'] } },
  baseline: undefined,
  restricted: {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  },
  netadmin: { capabilities: { add: ['NET_ADMIN', 'NET_RAW'] } },
  sysadmin: { privileged: true },
}

const seesHost: ReadonlySet<DebugProfile> = new Set(['legacy', 'general', 'netadmin', 'sysadmin'])

export const debugContainer = (container: Container, profile: DebugProfile): Container => ({
  ...container,
  ...(rights[profile] ? { securityContext: rights[profile] } : {}),
})

/** A pod on the node that sees its processes, its network and, at /host, its files. */
export function nodeDebugger(node: string, name: string, container: Container, profile: DebugProfile): Pod {
  const isOpen = seesHost.has(profile)
  const looking = debugContainer(container, profile === 'general' ? 'legacy' : profile)
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      nodeName: node,
      restartPolicy: 'Never',
      tolerations: [{ operator: 'Exists' }],
      ...(isOpen ? { hostIPC: true, hostNetwork: true, hostPID: true } : {}),
      ...(profile === 'netadmin' ? {} : { volumes: [{ name: 'host-root', hostPath: { path: '/' } }] }),
      containers: [
        profile === 'netadmin' ? looking : { ...looking, volumeMounts: [{ name: 'host-root', mountPath: '/host' }] },
      ],
    },
  }
}

export interface PodCopyOptions {
  name: string
  /** Without an image: no container is added; one of the same name is changed. */
  container: Container
  /** New images by container; `*` is every container. */
  images: Readonly<Record<string, string>>
  profile: DebugProfile
  sharesProcesses: boolean
  sameNode: boolean
}

/** A pod like another that no controller knows of: without its labels, probes stay off what is looked into. */
export function podCopy(
  pod: Pod,
  { name, container, images, profile, sharesProcesses, sameNode }: PodCopyOptions,
): Pod {
  const { nodeName, ephemeralContainers: _ephemeral, ...spec } = pod.spec ?? { containers: [] }
  const isChanged = spec.containers.some((one) => one.name === container.name)
  const containers = spec.containers
    .map((one) => {
      const { livenessProbe: _liveness, readinessProbe: _readiness, startupProbe: _startup, ...plain } = one
      const image = images[one.name] ?? images['*']
      return { ...plain, ...(image === undefined ? {} : { image }) }
    })
    .map((one) => (one.name === container.name ? { ...one, ...container } : one))
  const added = !isChanged && container.image !== undefined ? [debugContainer(container, profile)] : []
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...(pod.metadata.annotations ? { annotations: pod.metadata.annotations } : {}) },
    spec: {
      ...spec,
      ...(sameNode && nodeName !== undefined ? { nodeName } : {}),
      ...(sharesProcesses ? { shareProcessNamespace: true } : {}),
      containers: [...containers, ...added],
    },
  }
}
