import type { Namespace, ResourceQuota } from '../../api/kinds.ts'
import { ancestorsOf, descendantsOf, parentOf } from '../../api/namespace-tree.ts'
import { groupResourceName, type KubeObject } from '../../api/object.ts'
import { inScope } from '../../admission/quota/scopes.ts'
import { addUsage, usageOf, type Usage } from '../../admission/quota/usage.ts'
import { refs } from '../../client/client.ts'
import { formatQuantity, zeroQuantity } from '../../lib/quantity.ts'
import { type Controller, keyOf, nothing, type Plan, splitKey, type View, type Watch } from '../controller.ts'
import type { CollectedResource, Resources } from '../resources.ts'
import { sameJson } from '../../lib/same-json.ts'
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
      return quotasOver(namespace, view)
    },
  })
  return {
    name: 'resourcequota',
    watches: [
      selfWatch(refs.resourceQuotas),
      {
        ref: refs.namespaces,
        keysOf({ object, previous, name }, view) {
          const parents = [object, previous].map((one) => parentOf(one as Namespace | undefined))
          if (parents[0] === parents[1]) return []
          // What moves takes its use along: both the old and the new parents' quotas count anew.
          return [name, ...parents].flatMap((one) => (one ? quotasOver(one, view) : []))
        },
      },
    ],
    changingWatches: {
      current: () => namespaced().map(watchOf),
      onChange: (handler) => resources.onChange(handler),
    },
    keys: (view) => view.list<ResourceQuota>(refs.resourceQuotas).map(keyOf),
    plan: (key, view) => planQuota(key, view, namespaced()),
  }
}

/** The quotas that a namespace is bound by: its own and its ancestors'. */
function quotasOver(namespace: string, view: View): string[] {
  const above = ancestorsOf(namespace, (name) => view.get<Namespace>(refs.namespaces, '', name))
  return [namespace, ...above].flatMap((one) => view.list<ResourceQuota>(refs.resourceQuotas, one).map(keyOf))
}

function planQuota(key: string, view: View, all: readonly CollectedResource[]): Plan {
  const { namespace, name } = splitKey(key)
  const quota = view.get<ResourceQuota>(refs.resourceQuotas, namespace, name)
  if (!quota || quota.metadata.deletionTimestamp) return nothing
  const hard = quota.spec?.hard ?? {}
  const bound = [namespace, ...descendantsOf(namespace, view.list<Namespace>(refs.namespaces))]
  const usage = all
    .flatMap(({ ref }) =>
      bound
        .flatMap((one) => view.list<KubeObject>(ref, one))
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
