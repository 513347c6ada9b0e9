import type { UserInfo } from '../../api/kinds.ts'
import { parseYaml } from '../../schema/yaml.ts'
import type { RequestInfo } from '../request-info.ts'

export const auditLevels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const
export type AuditLevel = (typeof auditLevels)[number]
export const auditStages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const
export type AuditStage = (typeof auditStages)[number]

/** audit.k8s.io/v1 GroupResources. */
interface GroupResources {
  group?: string
  resources?: string[]
  resourceNames?: string[]
}

/** audit.k8s.io/v1 PolicyRule. */
interface PolicyRule {
  level: AuditLevel
  users?: string[]
  userGroups?: string[]
  verbs?: string[]
  resources?: GroupResources[]
  namespaces?: string[]
  nonResourceURLs?: string[]
  omitStages?: AuditStage[]
  omitManagedFields?: boolean
}

/** audit.k8s.io/v1 Policy. */
export interface AuditPolicy {
  rules: PolicyRule[]
  omitStages?: AuditStage[]
  omitManagedFields?: boolean
}

/** What is to be said of one request. */
export interface AuditDecision {
  readonly level: AuditLevel
  readonly omitStages: readonly AuditStage[]
  readonly omitManagedFields: boolean
}

/** Reads a policy file. Throws an Error that says what is wrong with it. */
export function parseAuditPolicy(text: string): AuditPolicy {
  const { value } = parseYaml(text)
  const policy = value as Partial<AuditPolicy> & { apiVersion?: string; kind?: string }
  if (policy?.kind !== 'Policy' || policy.apiVersion !== 'audit.k8s.io/v1')
    throw new Error('an audit policy is of apiVersion audit.k8s.io/v1 and kind Policy')
  if (!Array.isArray(policy.rules) || policy.rules.length === 0)
    throw new Error('rules: Required value: an audit policy must have at least one rule')
  for (const [at, rule] of policy.rules.entries()) {
    const path = `rules[${at}]`
    if (!auditLevels.includes(rule.level)) throw new Error(`${path}.level: must be one of ${auditLevels.join(', ')}`)
    checkStages(rule.omitStages, `${path}.omitStages`)
    if (rule.nonResourceURLs?.length && (rule.resources?.length || rule.namespaces?.length))
      throw new Error(`${path}.nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs`)
    for (const url of rule.nonResourceURLs ?? []) {
      if (url !== '*' && (!url.startsWith('/') || url.slice(0, -1).includes('*')))
        throw new Error(`${path}.nonResourceURLs: ${url}: a path begins with / and may have * at its end`)
    }
  }
  checkStages(policy.omitStages, 'omitStages')
  return policy as AuditPolicy
}

function checkStages(stages: readonly AuditStage[] | undefined, path: string): void {
  for (const stage of stages ?? [])
    if (!auditStages.includes(stage)) throw new Error(`${path}: must be some of ${auditStages.join(', ')}`)
}

/** The first rule that matches decides; without one nothing is said. Pure. */
export function decideAudit(policy: AuditPolicy, user: UserInfo, info: RequestInfo): AuditDecision {
  const rule = policy.rules.find((one) => matches(one, user, info))
  return {
    level: rule?.level ?? 'None',
    omitStages: [...(policy.omitStages ?? []), ...(rule?.omitStages ?? [])],
    omitManagedFields: rule?.omitManagedFields ?? policy.omitManagedFields ?? false,
  }
}

function matches(rule: PolicyRule, user: UserInfo, info: RequestInfo): boolean {
  if (rule.users?.length && !rule.users.includes(user.username ?? '')) return false
  if (rule.userGroups?.length && !rule.userGroups.some((group) => user.groups?.includes(group))) return false
  if (rule.verbs?.length && !rule.verbs.includes(info.verb)) return false
  if (info.isResource) {
    if (rule.nonResourceURLs?.length) return false
    if (rule.namespaces?.length && !rule.namespaces.includes(info.namespace)) return false
    return !rule.resources?.length || rule.resources.some((one) => matchesResource(one, info))
  }
  if (rule.resources?.length || rule.namespaces?.length) return false
  return !rule.nonResourceURLs?.length || rule.nonResourceURLs.some((url) => matchesPath(url, info.path))
}

/** `pods`, `pods/log`, `pods/*`, `*` + `/log`, `*`. */
function matchesResource({ group = '', resources, resourceNames }: GroupResources, info: RequestInfo): boolean {
  if (group !== info.group) return false
  if (!resources?.length) return true
  if (resourceNames?.length && !resourceNames.includes(info.name)) return false
  const combined = info.subresource ? `${info.resource}/${info.subresource}` : info.resource
  return resources.some(
    (one) =>
      one === '*' ||
      one === combined ||
      (info.subresource !== '' && (one === `${info.resource}/*` || one === `*/${info.subresource}`)),
  )
}

const matchesPath = (url: string, path: string): boolean =>
  url === '*' || (url.endsWith('*') ? path.startsWith(url.slice(0, -1)) : url === path)
