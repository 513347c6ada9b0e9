import type { AccessRequest } from '../../api/authorizer.ts'
import type { PolicyRule } from '../../api/kinds.ts'

const has = (list: readonly string[] | undefined, one: string): boolean => list?.includes(one) ?? false
const hasOrAll = (list: readonly string[] | undefined, one: string): boolean => has(list, '*') || has(list, one)

/** Whether the rule grants the request (k8s.io/component-helpers/auth/rbac/validation semantics). */
export function ruleAllows(rule: PolicyRule, request: AccessRequest): boolean {
  if (!hasOrAll(rule.verbs, request.verb)) return false
  if (request.path !== undefined) return (rule.nonResourceURLs ?? []).some((url) => pathMatches(url, request.path!))
  return (
    hasOrAll(rule.apiGroups, request.group ?? '') &&
    (rule.resources ?? []).some((resource) =>
      resourceMatches(resource, request.resource ?? '', request.subresource ?? ''),
    ) &&
    (!rule.resourceNames?.length || has(rule.resourceNames, request.name ?? ''))
  )
}

/** `pods`, `pods/log`, `*` and `*` + `/scale` as rules name resources. */
export function resourceMatches(pattern: string, resource: string, subresource: string): boolean {
  if (pattern === '*') return true
  if (subresource === '') return pattern === resource
  return pattern === `${resource}/${subresource}` || pattern === `*/${subresource}`
}

/** Exact, or a prefix when the pattern ends with `*`. */
export function pathMatches(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : pattern === path
}
