import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  RoleRef,
  UserInfo,
} from '../../api/kinds.ts'
import type { Informers } from '../../client/informer.ts'
import { effectiveRules } from './aggregation.ts'
import { createSubjectIndex } from './subject-index.ts'

const group = 'rbac.authorization.k8s.io'

export const rbacRefs = {
  roles: { group, resource: 'roles' },
  roleBindings: { group, resource: 'rolebindings' },
  clusterRoles: { group, resource: 'clusterroles' },
  clusterRoleBindings: { group, resource: 'clusterrolebindings' },
} as const

/** A binding that concerns the user, with the rules that it grants; `rules` undefined when its role is not there. */
export interface Grant {
  binding: RoleBinding
  rules: readonly PolicyRule[] | undefined
}

/** Finds what RBAC grants, from this node's own replica. */
export interface RuleResolver {
  /** ClusterRoleBindings first, then the RoleBindings of `namespace` ('' for none). Lazy: a decision stops at the first that allows. */
  grants(user: UserInfo, namespace: string): Iterable<Grant>
  /** All rules that the user has, and what could not be resolved. */
  rulesFor(user: UserInfo, namespace: string): { rules: PolicyRule[]; errors: string[] }
  /** Rules of a role; undefined when it is not there. `namespace` counts for Roles only. */
  rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined
  stop(): void
}

export function createRuleResolver(informers: Informers): RuleResolver {
  const roles = informers.for<Role>(rbacRefs.roles)
  const clusterRoles = informers.for<ClusterRole>(rbacRefs.clusterRoles)
  const roleBindings = createSubjectIndex(informers.for<RoleBinding>(rbacRefs.roleBindings))
  const clusterRoleBindings = createSubjectIndex(informers.for<ClusterRoleBinding>(rbacRefs.clusterRoleBindings))
  /** Rules of aggregated roles, until any ClusterRole changes. */
  const aggregated = new Map<string, readonly PolicyRule[]>()
  const stopClearing = clusterRoles.onChange(() => aggregated.clear())

  function clusterRoleRules(name: string): readonly PolicyRule[] | undefined {
    const role = clusterRoles.get('', name)
    if (!role) return undefined
    if (!role.aggregationRule) return role.rules ?? []
    const known = aggregated.get(name)
    if (known) return known
    const rules = effectiveRules(role, clusterRoles.list())
    aggregated.set(name, rules)
    return rules
  }

  function rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    if (roleRef.kind === 'ClusterRole') return clusterRoleRules(roleRef.name)
    const role = roles.get(namespace, roleRef.name)
    return role && (role.rules ?? [])
  }

  function* grants(user: UserInfo, namespace: string): Iterable<Grant> {
    for (const binding of clusterRoleBindings.of(user, '')) yield { binding, rules: rulesOf(binding.roleRef, '') }
    if (namespace === '') return
    for (const binding of roleBindings.of(user, namespace)) {
      yield { binding, rules: rulesOf(binding.roleRef, namespace) }
    }
  }

  return {
    grants,
    rulesOf,
    rulesFor(user, namespace) {
      const rules: PolicyRule[] = []
      const errors: string[] = []
      for (const grant of grants(user, namespace)) {
        if (grant.rules) rules.push(...grant.rules)
        else errors.push(missingRole(grant.binding.roleRef))
      }
      return { rules, errors }
    },
    stop() {
      stopClearing()
      roleBindings.stop()
      clusterRoleBindings.stop()
    },
  }
}

/** `clusterrole.rbac.authorization.k8s.io "x" not found` */
export function missingRole(roleRef: RoleRef): string {
  return `${roleRef.kind.toLowerCase()}.${group} ${JSON.stringify(roleRef.name)} not found`
}
