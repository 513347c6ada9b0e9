import type { ClusterRole, ClusterRoleBinding, ObjectMeta, PolicyRule, RbacV1Subject } from '../../api/kinds.ts'

const apiVersion = 'rbac.authorization.k8s.io/v1'
const words = (text: string): string[] => text.split(' ').filter(Boolean)

/** Verb sets that the policy names again and again. */
export const read = 'get list watch'
export const write = 'create delete deletecollection patch update'

/** A rule on resources: verbs, groups and resources separated by blanks; `core` is the group ''. */
export function rule(verbs: string, apiGroups: string, resources: string, resourceNames?: string[]): PolicyRule {
  return {
    apiGroups: words(apiGroups).map((group) => (group === 'core' ? '' : group)),
    resources: words(resources),
    ...(resourceNames ? { resourceNames } : {}),
    verbs: words(verbs),
  }
}

/** A rule on paths. */
export function pathRule(verbs: string, nonResourceURLs: string): PolicyRule {
  return { nonResourceURLs: words(nonResourceURLs), verbs: words(verbs) }
}

/** Objects of the bootstrap policy bear upstream's marks: kept up to date at each start unless the annotation says no. */
function bootstrapMeta(name: string, labels: Record<string, string> = {}): ObjectMeta {
  return {
    name,
    annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
  }
}

export function clusterRole(name: string, rules: PolicyRule[], labels?: Record<string, string>): ClusterRole {
  return { apiVersion, kind: 'ClusterRole', metadata: bootstrapMeta(name, labels), rules }
}

/** A role whose rules are those of all roles that carry the label `rbac.authorization.k8s.io/aggregate-to-<which>`. */
export function aggregatedRole(name: string, which: string, labels?: Record<string, string>): ClusterRole {
  return {
    apiVersion,
    kind: 'ClusterRole',
    metadata: bootstrapMeta(name, labels),
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: aggregateTo(which) }] },
    rules: [],
  }
}

export function aggregateTo(which: string): Record<string, string> {
  return { [`rbac.authorization.k8s.io/aggregate-to-${which}`]: 'true' }
}

/** Binds a ClusterRole of the policy; the binding has the role's name unless told otherwise. */
export function clusterRoleBinding(role: string, subjects: RbacV1Subject[], name = role): ClusterRoleBinding {
  return {
    apiVersion,
    kind: 'ClusterRoleBinding',
    metadata: bootstrapMeta(name),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects,
  }
}

export const subjectGroup = (name: string): RbacV1Subject => ({
  apiGroup: 'rbac.authorization.k8s.io',
  kind: 'Group',
  name,
})

export const subjectUser = (name: string): RbacV1Subject => ({
  apiGroup: 'rbac.authorization.k8s.io',
  kind: 'User',
  name,
})

export const subjectServiceAccount = (namespace: string, name: string): RbacV1Subject => ({
  kind: 'ServiceAccount',
  name,
  namespace,
})
