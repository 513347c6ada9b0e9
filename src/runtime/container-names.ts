import type { PodIdentity } from './runtime.ts'

/**
 * Labels that say whose a container is. The first four are those that every Kubernetes runtime shim writes, so that
 * tools which read them work here too.
 */
export const labelKeys = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name',
  sandboxId: 'io.kubernetes.sandbox.id',
  restartCount: 'io.kubernetes.container.restartCount',
  managed: 'io.stormo.managed',
  role: 'io.stormo.role',
  image: 'io.stormo.image',
  user: 'io.stormo.user',
  hostname: 'io.stormo.hostname',
  resources: 'io.stormo.resources',
} as const

/** The name that a sandbox has in place of a container name. */
export const sandboxContainerName = 'POD'

/** Prefix of sandboxes that wait in the pool and belong to no pod yet. */
export const poolNamePrefix = 'stormo_pool_'

export interface ParsedName {
  readonly pod: PodIdentity
  readonly container: string
  readonly attempt: number
}

/**
 * `k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`. Reversible: none of the parts can hold an underscore. A name is
 * the one thing that Docker lets us change on a running container, so it is what binds a pooled sandbox to its pod.
 */
export function containerName({ pod, container, attempt }: ParsedName): string {
  return `k8s_${container}_${pod.name}_${pod.namespace}_${pod.uid}_${attempt}`
}

/** Reverse of {@link containerName}; undefined for names that are not ours. */
export function parseContainerName(name: string): ParsedName | undefined {
  const parts = name.replace(/^\//, '').split('_')
  if (parts.length !== 6 || parts[0] !== 'k8s') return undefined
  const [, container = '', podName = '', namespace = '', uid = '', attemptText = ''] = parts
  const attempt = Number(attemptText)
  if (!Number.isInteger(attempt) || attempt < 0) return undefined
  return { pod: { name: podName, namespace, uid }, container, attempt }
}
