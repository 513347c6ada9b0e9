import type { Container, ObjectMeta, PodSpec } from '../../api/kinds.ts'

/** What a check found wrong; undefined when nothing. */
export interface Violation {
  reason: string
  /** Who is at fault: goes into brackets behind the reason. */
  detail: string
}

/** One control of the Pod Security Standards (kubernetes.io/docs/concepts/security/pod-security-standards). Pure. */
export interface PodCheck {
  id: string
  /** Id of the baseline check whose rule this one contains. */
  overrides?: string
  check(spec: PodSpec, metadata: ObjectMeta): Violation | undefined
}

/** Every container of the spec: init, main and ephemeral. */
export function allContainers(spec: PodSpec): Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers, ...((spec.ephemeralContainers ?? []) as Container[])]
}

/** `container "a"` or `containers "a", "b"` */
export function containersText(containers: readonly { name: string }[]): string {
  return nounText(
    'container',
    containers.map(({ name }) => name),
  )
}

export function nounText(noun: string, names: readonly string[]): string {
  return `${noun}${names.length === 1 ? '' : 's'} ${quoted(names)}`
}

export function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ')
}

/** A violation by those containers that fail `bad`, with the detail that `text` makes of them. */
export function byContainers(
  reason: string,
  bad: (container: Container) => boolean,
  text: (which: string) => string,
): PodCheck['check'] {
  return (spec) => {
    const found = allContainers(spec).filter(bad)
    return found.length ? { reason, detail: text(containersText(found)) } : undefined
  }
}

/** Windows has no seccomp, no capabilities and no privilege escalation of this kind. */
export const isWindows = (spec: PodSpec): boolean => spec.os?.name === 'windows'
