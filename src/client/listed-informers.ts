import { groupResourceName, type GroupResource, type KubeObject } from '../api/object.ts'
import type { Informer, Informers } from './informer.ts'

/** Informers over lists as they were read once, for tools that look at a cluster and go: nothing ever changes. */
export function listedInformers(lists: Iterable<readonly [GroupResource, readonly KubeObject[]]>): Informers {
  const tables = new Map(
    [...lists].map(([ref, objects]) => [
      groupResourceName(ref),
      new Map(objects.map((object) => [`${object.metadata.namespace ?? ''}/${object.metadata.name}`, object])),
    ]),
  )
  return {
    for: <T extends KubeObject>(ref: GroupResource): Informer<T> => {
      const objects = tables.get(groupResourceName(ref)) ?? new Map<string, KubeObject>()
      return {
        get: (namespace, name) => objects.get(`${namespace}/${name}`) as T | undefined,
        list: (namespace) =>
          [...objects.values()].filter(({ metadata }) => !namespace || metadata.namespace === namespace) as T[],
        onChange: () => () => undefined,
      }
    },
  }
}
