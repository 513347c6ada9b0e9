import type { ResourceQuota } from '../../api/kinds.ts'
import { groupResourceName, type KubeObject } from '../../api/object.ts'
import { inScope } from '../../admission/quota/scopes.ts'
import { addUsage, usageOf, type Usage } from '../../admission/quota/usage.ts'
import { refs } from '../../client/client.ts'
import { formatQuantity, zeroQuantity } from '../../lib/quantity.ts'
import { type Controller, keyOf, nothing, type Plan, splitKey, type View, type Watch } from '../controller.ts'
import type { CollectedResource, Resources } from '../resources.ts'
import { sameJson } from './same-json.ts'
import { selfWatch, statusAction } from './workload.ts'

/** Kinds whose amounts can change while they live; of the others only the number counts. */
const measured = new Set(['pods', 'services', 'persistentvolumeclaims'])

/** Says in each ResourceQuota's status what is used of it (core/v1). Admission counts for itself. */
export function resourceQuotaController(resources: Resources): Controller {
  const namespaced = (): CollectedResource[] => resources.all().filter((one) => one.namespaced)
  const watchOf = ({ ref }: CollectedResource): Watch => ({
    ref,
    keysOf({ object, previous, namespace }, view) {
      if (object && previous && !measured.has(groupResourceName(ref))) return []
      return view.list<ResourceQuota>(refs.resourceQuotas, namespace).map(keyOf)
    },
  })
  return {
    name: 'resourcequota',
    watches: [selfWatch(refs.resourceQuotas)],
    changingWatches: {
      current: () => namespaced().map(watchOf),
      onChange: (handler) => resources.onChange(handler),
    },
    keys: (view) => view.list<ResourceQuota>(refs.resourceQuotas).map(keyOf),
    plan: (key, view) => planQuota(key, view, namespaced()),
  }
}

function planQuota(key: string, view: View, all: readonly CollectedResource[]): Plan {
  const { namespace, name } = splitKey(key)
  const quota = view.get<ResourceQuota>(refs.resourceQuotas, namespace, name)
  if (!quota || quota.metadata.deletionTimestamp) return nothing
  const hard = quota.spec?.hard ?? {}
  const usage = all
    .flatMap(({ ref }) =>
      view
        .list<KubeObject>(ref, namespace)
        .filter((object) => inScope(quota, ref, object))
        .map((object) => usageOf(ref, object)),
    )
    .reduce<Usage>(addUsage, {})
  const used = Object.fromEntries(
    Object.keys(hard).map((resource) => [resource, formatQuantity(usage[resource] ?? zeroQuantity)]),
  )
  const status = { hard, used }
  return sameJson(status, quota.status) ? nothing : { actions: [statusAction(refs.resourceQuotas, quota, status)] }
}
