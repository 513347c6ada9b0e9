import type { Container, Pod } from '../../api/kinds.ts'
import { isSidecar } from '../core/pod-view.ts'

/** One container's wish for devices of one resource. */
export interface DeviceWish {
  readonly container: string
  readonly resource: string
  readonly count: number
  /** Its devices are free again when the next container starts. */
  readonly isTransient: boolean
}

/** What the containers of a pod ask for of these resources, in the order in which they start. Pure. */
export function deviceWishes(pod: Pod, isDevice: (resource: string) => boolean): DeviceWish[] {
  const wishes = (container: Container, isTransient: boolean): DeviceWish[] =>
    Object.entries(container.resources?.limits ?? {})
      .filter(([resource, amount]) => isDevice(resource) && Number(amount) > 0)
      .map(([resource, amount]) => ({ container: container.name, resource, count: Number(amount), isTransient }))
  const { initContainers = [], containers } = pod.spec ?? { containers: [] }
  return [
    ...initContainers.flatMap((container) => wishes(container, !isSidecar(container))),
    ...containers.flatMap((container) => wishes(container, false)),
  ]
}

/**
 * Devices for one wish: first those that an init container of the same pod had, then free ones. Undefined when there are
 * not enough. `preferred` are the plugin's own choice, taken as far as it is one of these.
 */
export function chooseDevices(
  count: number,
  reusable: readonly string[],
  free: readonly string[],
  preferred: readonly string[],
): string[] | undefined {
  const available = [...new Set([...reusable, ...free])]
  if (available.length < count) return undefined
  const wanted = preferred.filter((id) => available.includes(id))
  return [...new Set([...reusable.slice(0, count), ...wanted, ...available])].slice(0, count)
}
