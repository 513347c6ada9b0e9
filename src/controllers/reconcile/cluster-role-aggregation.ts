import { effectiveRules } from '../../auth/rbac/aggregation.ts'
import type { ClusterRole } from '../../api/kinds.ts'
import { type Controller, keyOf, nothing, splitKey } from '../controller.ts'
import { sameJson } from '../../lib/same-json.ts'
import { mutateAction } from './workload.ts'

const ref = { group: 'rbac.authorization.k8s.io', resource: 'clusterroles' }

/**
 * Writes into aggregated ClusterRoles the rules of those that they select. The authorizer reckons with them without it;
 * this is for those who read the role.
 */
export const clusterRoleAggregationController: Controller = {
  name: 'clusterrole-aggregation',
  watches: [
    {
      ref,
      keysOf: (_change, view) =>
        view
          .list<ClusterRole>(ref)
          .filter((role) => role.aggregationRule)
          .map(keyOf),
    },
  ],
  keys: (view) => view.list<ClusterRole>(ref).map(keyOf),
  plan(key, view) {
    const role = view.get<ClusterRole>(ref, '', splitKey(key).name)
    if (!role?.aggregationRule || role.metadata.deletionTimestamp) return nothing
    const rules = effectiveRules(role, view.list<ClusterRole>(ref))
    if (sameJson(rules, role.rules ?? [])) return nothing
    return { actions: [mutateAction(ref, role, (current) => ({ ...current, rules }))] }
  },
}
