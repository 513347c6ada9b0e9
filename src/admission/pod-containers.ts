import type { Container, Pod } from '../api/kinds.ts'

/** Init and main containers of a pod, in this order. */
export function containersOf(pod: Pod): Container[] {
  return [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
}

/** A static pod's image in the API, made by its kubelet. */
export function isMirrorPod(pod: Pod): boolean {
  return pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined
}
