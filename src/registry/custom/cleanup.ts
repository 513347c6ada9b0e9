import type { CustomResourceDefinition } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { isStatus } from '../../api/status-error.ts'
import { refs, type Client } from '../../client/client.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Service } from '../../lib/service.ts'
import type { Store } from '../../store/store.ts'
import { cleanupFinalizer } from './establish.ts'

const retryMs = 5000

/**
 * Deletes the objects of a CRD that is being deleted, and lets it go once there are none. For the elected leader: two
 * at once would do no harm, only the work twice.
 */
export function createCustomResourceCleanup(options: {
  store: Store
  client: Client
  clock: Clock
  log: Logger
}): Service {
  const { store, client, clock, log } = options
  const ref = refs.customResourceDefinitions
  const stopped = new AbortController()
  const busy = new Set<string>()
  let subscription: { close(): void } | undefined
  let timer: Timer | undefined

  async function cleanUp(crd: CustomResourceDefinition & KubeObject): Promise<void> {
    const name = crd.metadata.name ?? ''
    if (busy.has(name) || !crd.metadata.deletionTimestamp || !crd.metadata.finalizers?.includes(cleanupFinalizer))
      return
    busy.add(name)
    try {
      const kind = { group: crd.spec.group, resource: crd.spec.names.plural }
      for (const { metadata } of store.list(kind).items) {
        if (metadata.deletionTimestamp) continue
        await client.delete(kind, metadata.namespace ?? '', metadata.name ?? '', { signal: stopped.signal })
      }
      if (store.count(kind) > 0) return
      await client.mutate<KubeObject>(ref, '', name, (current) => {
        current.metadata.finalizers = current.metadata.finalizers?.filter((one) => one !== cleanupFinalizer)
        return current
      })
    } catch (error) {
      if (!isStatus(error, 'NotFound'))
        log.warn({ crd: name, error: String(error) }, 'custom resources are not cleaned up yet')
    } finally {
      busy.delete(name)
    }
  }

  function sweep(): void {
    for (const crd of store.list(ref).items) void cleanUp(crd as CustomResourceDefinition & KubeObject)
  }

  function schedule(): void {
    timer = clock.after(retryMs, () => {
      sweep()
      schedule()
    })
  }

  return {
    async start() {
      subscription = store.watch(ref, undefined, ({ object, type }) => {
        if (type !== 'DELETED') void cleanUp(object as CustomResourceDefinition & KubeObject)
      })
      sweep()
      schedule()
    },
    async stop() {
      stopped.abort()
      timer?.cancel()
      subscription?.close()
    },
  }
}
