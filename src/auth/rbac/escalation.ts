import type { Authorize } from '../../api/authorizer.ts'
import type { ClusterRole, PolicyRule, RoleBinding, UserInfo } from '../../api/kinds.ts'
import type { GroupResource, KubeObject } from '../../api/object.ts'
import { errors } from '../../api/status-error.ts'
import { isMaster } from '../user.ts'
import { missingRules, quotedList, ruleText } from './covers.ts'
import { missingRole, rbacRefs, type RuleResolver } from './rule-resolver.ts'

/** A write to a role or a binding, as the registry is about to make it. */
export interface RbacWrite {
  operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  ref: GroupResource
  subresource: string
  namespace: string
  name: string
  object?: KubeObject
  oldObject?: KubeObject
  user: UserInfo
}

/**
 * Nobody hands out rights that they do not have (kubernetes.io: privilege escalation prevention and bootstrapping),
 * unless they hold `escalate` on roles, or `bind` on the role that a binding names. In the shape of an admission
 * plugin, to run among them: throws 403.
 */
export function createEscalationCheck(resolver: RuleResolver, authorize: Authorize) {
  function mayByVerb(write: RbacWrite, verb: 'escalate' | 'bind', kind: string, name: string): boolean {
    const ref = kind === 'ClusterRole' ? rbacRefs.clusterRoles : rbacRefs.roles
    const request = { user: write.user, verb, ...ref, version: 'v1', namespace: write.namespace, name }
    return authorize(request).verdict === 'allow'
  }

  function confirm(write: RbacWrite, wanted: readonly PolicyRule[]): void {
    const owned = resolver.rulesFor(write.user, write.namespace)
    const missing = missingRules(owned.rules, wanted)
    if (missing.length === 0) return
    const { username = '', groups = [] } = write.user
    const unresolved = owned.errors.length ? `; resolution errors: [${owned.errors.join(', ')}]` : ''
    throw errors.forbidden(
      write.ref,
      write.name,
      `user ${JSON.stringify(username)} (groups=${quotedList(groups)}) is attempting to grant RBAC permissions not currently held:\n${missing.map(ruleText).toSorted().join('\n')}${unresolved}`,
    )
  }

  function checkRole(write: RbacWrite, kind: 'Role' | 'ClusterRole'): void {
    const role = write.object as ClusterRole
    const old = write.oldObject as ClusterRole | undefined
    const same = (left: unknown, right: unknown): boolean =>
      JSON.stringify(left ?? null) === JSON.stringify(right ?? null)
    if (old && same(role.rules, old.rules) && same(role.aggregationRule, old.aggregationRule)) return
    if (mayByVerb(write, 'escalate', kind, write.name)) return
    // Whoever may aggregate by labels gets whatever roles others will label.
    const everything: PolicyRule[] = [
      { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
      { nonResourceURLs: ['*'], verbs: ['*'] },
    ]
    const aggregates = role.aggregationRule && !same(role.aggregationRule, old?.aggregationRule)
    confirm(write, aggregates ? everything : (role.rules ?? []))
  }

  function checkBinding(write: RbacWrite): void {
    const binding = write.object as RoleBinding
    const old = write.oldObject as RoleBinding | undefined
    if (old && JSON.stringify([binding.subjects, binding.roleRef]) === JSON.stringify([old.subjects, old.roleRef]))
      return
    if (mayByVerb(write, 'bind', binding.roleRef.kind, binding.roleRef.name)) return
    const rules = resolver.rulesOf(binding.roleRef, write.namespace)
    // A role that is not there yet could come to grant anything.
    if (!rules) throw errors.forbidden(write.ref, write.name, missingRole(binding.roleRef))
    confirm(write, rules)
  }

  return {
    name: 'RBACEscalation',
    validates(write: RbacWrite): void {
      if (write.ref.group !== rbacRefs.roles.group || write.subresource !== '' || !write.object) return
      if ((write.operation !== 'CREATE' && write.operation !== 'UPDATE') || isMaster(write.user)) return
      switch (write.ref.resource) {
        case 'roles':
          return checkRole(write, 'Role')
        case 'clusterroles':
          return checkRole(write, 'ClusterRole')
        case 'rolebindings':
        case 'clusterrolebindings':
          return checkBinding(write)
        default:
      }
    },
  }
}
