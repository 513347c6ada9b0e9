import type { ClusterRole, ClusterRoleBinding, RoleBinding } from '../../api/kinds.ts'
import { missingRules } from '../rbac/covers.ts'

const autoupdate = 'rbac.authorization.kubernetes.io/autoupdate'

/**
 * What a stored role of the policy must become: rules that are missing are added, what somebody added stays. Undefined
 * when nothing is missing, or when the owner has switched this off by annotation.
 */
export function reconciledRole(stored: ClusterRole, wanted: ClusterRole): ClusterRole | undefined {
  if (stored.metadata.annotations?.[autoupdate] === 'false') return undefined
  const missing = wanted.aggregationRule ? [] : missingRules(stored.rules ?? [], wanted.rules ?? [])
  const aggregation = wanted.aggregationRule && !stored.aggregationRule
  const labels = { ...stored.metadata.labels, ...wanted.metadata.labels }
  const relabelled = Object.keys(wanted.metadata.labels ?? {}).some(
    (key) => stored.metadata.labels?.[key] !== labels[key],
  )
  if (missing.length === 0 && !aggregation && !relabelled) return undefined
  return {
    ...stored,
    metadata: { ...stored.metadata, labels },
    ...(wanted.aggregationRule ? { aggregationRule: wanted.aggregationRule } : {}),
    rules: [...(stored.rules ?? []), ...missing],
  }
}

/** The same for a binding: subjects that are missing are added. */
export function reconciledBinding<B extends RoleBinding>(stored: B, wanted: ClusterRoleBinding): B | undefined {
  if (stored.metadata.annotations?.[autoupdate] === 'false') return undefined
  const has = new Set((stored.subjects ?? []).map((one) => `${one.kind}/${one.namespace ?? ''}/${one.name}`))
  const missing = (wanted.subjects ?? []).filter((one) => !has.has(`${one.kind}/${one.namespace ?? ''}/${one.name}`))
  return missing.length ? { ...stored, subjects: [...(stored.subjects ?? []), ...missing] } : undefined
}
