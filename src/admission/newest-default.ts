import type { KubeObject } from '../api/object.ts'

/**
 * The object that one of the annotations marks as default. Of several the newest counts, then the first by name, so
 * that all nodes choose the same one.
 */
export function newestDefault<T extends KubeObject>(
  objects: readonly T[],
  annotations: readonly string[],
): T | undefined {
  const created = (object: T): string => String(object.metadata.creationTimestamp ?? '')
  const name = (object: T): string => object.metadata.name ?? ''
  return objects
    .filter((object) => annotations.some((key) => object.metadata.annotations?.[key] === 'true'))
    .toSorted((left, right) => {
      if (created(left) !== created(right)) return created(left) < created(right) ? 1 : -1
      return name(left) < name(right) ? -1 : 1
    })[0]
}
