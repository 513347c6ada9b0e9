import type { Container, Pod } from '../api/kinds.ts'

/** Init and main containers of a pod, in this order. */
export function containersOf(pod: Pod): Container[] {
  return [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
}

/** A container with the path of its field, also the ephemeral ones. */
export interface PlacedContainer {
  container: Container
  path: string
  list: 'initContainers' | 'containers' | 'ephemeralContainers'
}

/** Every container of a pod spec, with where it stands. */
export function placedContainers(spec: NonNullable<Pod['spec']>): PlacedContainer[] {
  return (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).map((container, index) => ({
      container: container as Container,
      path: `spec.${list}[${index}]`,
      list,
    })),
  )
}

/** A static pod's image in the API, made by its kubelet. */
export function isMirrorPod(pod: Pod): boolean {
  return pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined
}
