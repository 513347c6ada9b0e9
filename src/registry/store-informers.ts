import type { GroupResource, KubeObject } from '../api/object.ts'
import type { Informer, Informers } from '../client/informer.ts'
import type { Store } from '../store/store.ts'

/** Informers that read this node's store itself: no copy, no lag. Objects are in their storage version. */
export function storeInformers(store: Store): Informers {
  return {
    for<T extends KubeObject>(ref: GroupResource): Informer<T> {
      return {
        get: (namespace, name) => store.get({ ...ref, namespace, name }) as T | undefined,
        list: (namespace) => store.list(ref, namespace).items as T[],
        onChange(handler) {
          const subscription = store.watch(ref, undefined, (event) => {
            const { namespace = '', name = '' } = event.object.metadata
            handler({
              object: event.type === 'DELETED' ? undefined : (event.object as T),
              previous: event.previous as T | undefined,
              namespace,
              name,
            })
          })
          return () => subscription.close()
        },
      }
    },
  }
}
