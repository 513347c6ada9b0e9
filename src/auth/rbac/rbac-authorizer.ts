import type { AccessDecision, Authorize } from '../../api/authorizer.ts'
import type { RoleBinding, UserInfo } from '../../api/kinds.ts'
import { missingRole, type RuleResolver } from './rule-resolver.ts'
import { ruleAllows } from './rules.ts'
import { matchingSubject } from './subject-index.ts'

/** Role-based access control: allows what some binding grants, has no opinion on the rest. */
export function createRbacAuthorizer(resolver: RuleResolver): Authorize {
  return (request): AccessDecision => {
    const missing: string[] = []
    for (const { binding, rules } of resolver.grants(request.user, request.namespace ?? '')) {
      if (!rules) missing.push(missingRole(binding.roleRef))
      else if (rules.some((rule) => ruleAllows(rule, request))) {
        return { verdict: 'allow', reason: grantReason(binding, request.user) }
      }
    }
    if (missing.length === 0) return { verdict: 'no-opinion', reason: '' }
    const text = missing.length === 1 ? missing[0]! : `[${missing.join(', ')}]`
    return { verdict: 'no-opinion', reason: `RBAC: ${text}`, evaluationError: text }
  }
}

function grantReason(binding: RoleBinding, user: UserInfo): string {
  const { name, namespace } = binding.metadata
  const which = namespace
    ? `RoleBinding ${JSON.stringify(`${name}/${namespace}`)}`
    : `ClusterRoleBinding ${JSON.stringify(name)}`
  const { kind, name: role } = binding.roleRef
  return `RBAC: allowed by ${which} of ${kind} ${JSON.stringify(role)} to ${matchingSubject(binding, user)}`
}
