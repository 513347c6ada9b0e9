import { groupResourceName, type GroupResource, type KubeObject } from '../../src/api/object.ts'
import type { Change, Informer, Informers } from '../../src/client/informer.ts'

/** Informers whose objects a test puts and removes itself; handlers are called at once. */
export interface FakeInformers extends Informers {
  put(ref: GroupResource, object: KubeObject): void
  remove(ref: GroupResource, namespace: string, name: string): void
}

export function createFakeInformers(): FakeInformers {
  const resources = new Map<string, ReturnType<typeof createFakeInformer>>()
  const informerOf = (ref: GroupResource) => {
    const key = groupResourceName(ref)
    const informer = resources.get(key) ?? createFakeInformer()
    resources.set(key, informer)
    return informer
  }
  return {
    for: <T extends KubeObject>(ref: GroupResource) => informerOf(ref).informer as unknown as Informer<T>,
    put: (ref, object) => informerOf(ref).set(object.metadata.namespace ?? '', object.metadata.name ?? '', object),
    remove: (ref, namespace, name) => informerOf(ref).set(namespace, name, undefined),
  }
}

function createFakeInformer() {
  const objects = new Map<string, KubeObject>()
  const handlers = new Set<(change: Change<KubeObject>) => void>()
  const informer: Informer<KubeObject> = {
    get: (namespace, name) => objects.get(`${namespace}/${name}`),
    list: (namespace) =>
      [...objects.values()].filter((one) => namespace === undefined || one.metadata.namespace === namespace),
    onChange(handler) {
      handlers.add(handler)
      return () => handlers.delete(handler)
    },
  }
  return {
    informer,
    set(namespace: string, name: string, object: KubeObject | undefined): void {
      const previous = objects.get(`${namespace}/${name}`)
      if (object) objects.set(`${namespace}/${name}`, object)
      else objects.delete(`${namespace}/${name}`)
      for (const handler of handlers) handler({ object, previous, namespace, name })
    },
  }
}
