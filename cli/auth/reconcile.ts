import type { ClusterRole, PolicyRule, RbacV1Subject as Subject, RoleBinding } from '../../src/api/kinds.ts'
import type { KubeObject } from '../../src/api/object.ts'
import { missingRules } from '../../src/auth/rbac/covers.ts'
import { sameJson } from '../../src/lib/same-json.ts'

/** What becomes of one role or binding so that it grants what the manifest says, and what differed. */
export interface Reconciliation {
  operation: 'none' | 'create' | 'update' | 'recreate'
  object: KubeObject
  /** In the manifest and not in the cluster; they are added. */
  missing: readonly (PolicyRule | Subject)[]
  /** In the cluster and not in the manifest; they are removed when that is asked for. */
  extra: readonly (PolicyRule | Subject)[]
}

const withMetadata = <T extends KubeObject>(live: T, { metadata }: KubeObject): T => ({
  ...live,
  metadata: {
    ...live.metadata,
    ...(metadata.labels ? { labels: { ...live.metadata.labels, ...metadata.labels } } : {}),
    ...(metadata.annotations ? { annotations: { ...live.metadata.annotations, ...metadata.annotations } } : {}),
  },
})

/** Rules are compared by what they grant, as the API server compares them when it looks for an escalation. */
export function reconcileRole(
  live: ClusterRole | undefined,
  wanted: ClusterRole,
  removeExtra: boolean,
): Reconciliation {
  if (!live) return { operation: 'create', object: wanted, missing: wanted.rules ?? [], extra: [] }
  const missing = missingRules(live.rules ?? [], wanted.rules ?? [])
  const extra = wanted.aggregationRule ? [] : missingRules(wanted.rules ?? [], live.rules ?? [])
  const rules = removeExtra && extra.length > 0 ? (wanted.rules ?? []) : [...(live.rules ?? []), ...missing]
  const object: ClusterRole = {
    ...withMetadata(live, wanted),
    rules,
    ...(wanted.aggregationRule ? { aggregationRule: wanted.aggregationRule } : {}),
  }
  return { operation: sameJson(live, object) ? 'none' : 'update', object, missing, extra }
}

const isSameSubject = (a: Subject, b: Subject): boolean =>
  a.kind === b.kind && a.name === b.name && (a.namespace ?? '') === (b.namespace ?? '')

const without = (list: readonly Subject[], others: readonly Subject[]): Subject[] =>
  list.filter((one) => !others.some((other) => isSameSubject(one, other)))

/** The role that a binding is for cannot be changed: another one needs another binding. */
export function reconcileBinding(
  live: RoleBinding | undefined,
  wanted: RoleBinding,
  removeExtra: boolean,
): Reconciliation {
  const missing = without(wanted.subjects ?? [], live?.subjects ?? [])
  const extra = without(live?.subjects ?? [], wanted.subjects ?? [])
  if (!live) return { operation: 'create', object: wanted, missing, extra: [] }
  const kept = removeExtra ? without(live.subjects ?? [], extra) : (live.subjects ?? [])
  const object: RoleBinding = { ...withMetadata(live, wanted), subjects: [...kept, ...missing] }
  if (live.roleRef.kind !== wanted.roleRef.kind || live.roleRef.name !== wanted.roleRef.name)
    return { operation: 'recreate', object: { ...object, roleRef: wanted.roleRef } as KubeObject, missing, extra }
  return { operation: sameJson(live, object) ? 'none' : 'update', object, missing, extra }
}
