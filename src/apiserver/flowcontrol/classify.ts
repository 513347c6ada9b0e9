import type {
  FlowSchema,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
  UserInfo,
} from '../../api/kinds.ts'
import { parseServiceAccount } from '../../auth/user.ts'
import type { RequestInfo } from '../request-info.ts'

/** A request as flow schemas see it. */
export interface Digest {
  readonly user: UserInfo
  readonly info: RequestInfo
}

/** The schema that a request falls under, and the flow within it: requests of one flow wait for each other first. */
export interface Classified {
  readonly schema: FlowSchema
  readonly distinguisher: string
}

/** Schemas in the order in which they are asked: lowest matchingPrecedence first, then by name. */
export function inPrecedence(schemas: readonly FlowSchema[]): FlowSchema[] {
  const precedence = ({ spec }: FlowSchema) => spec?.matchingPrecedence ?? 1000
  return schemas.toSorted(
    (a, b) => precedence(a) - precedence(b) || ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1),
  )
}

/** The first schema that matches (KEP-1040). `ordered` as {@link inPrecedence} gives them. Pure. */
export function classify(ordered: readonly FlowSchema[], digest: Digest): Classified | undefined {
  const schema = ordered.find(({ spec }) => spec?.rules?.some((rule) => matches(rule, digest)))
  return schema && { schema, distinguisher: distinguisherOf(schema, digest) }
}

function distinguisherOf({ spec }: FlowSchema, { user, info }: Digest): string {
  switch (spec?.distinguisherMethod?.type) {
    case 'ByUser':
      return user.username ?? ''
    case 'ByNamespace':
      return info.namespace
    default:
      return ''
  }
}

function matches({ subjects, resourceRules, nonResourceRules }: PolicyRulesWithSubjects, digest: Digest): boolean {
  if (!subjects.some((subject) => isSubject(subject, digest.user))) return false
  return digest.info.isResource
    ? (resourceRules?.some((rule) => matchesResource(rule, digest.info)) ?? false)
    : (nonResourceRules?.some((rule) => matchesPath(rule, digest.info)) ?? false)
}

function isSubject({ kind, user, group, serviceAccount }: Subject, who: UserInfo): boolean {
  switch (kind) {
    case 'User':
      return user?.name === '*' || user?.name === who.username
    case 'Group':
      return group?.name === '*' || (who.groups?.includes(group?.name ?? '') ?? false)
    case 'ServiceAccount': {
      const account = parseServiceAccount(who.username ?? '')
      if (!account || account.namespace !== serviceAccount?.namespace) return false
      return serviceAccount.name === '*' || serviceAccount.name === account.name
    }
    default:
      return false
  }
}

const has = (list: readonly string[] | undefined, value: string): boolean =>
  (list?.includes('*') || list?.includes(value)) ?? false

function matchesResource(rule: ResourcePolicyRule, info: RequestInfo): boolean {
  const resource = info.subresource ? `${info.resource}/${info.subresource}` : info.resource
  const inScope = info.namespace === '' ? rule.clusterScope === true : has(rule.namespaces, info.namespace)
  return has(rule.verbs, info.verb) && has(rule.apiGroups, info.group) && has(rule.resources, resource) && inScope
}

function matchesPath({ verbs, nonResourceURLs }: NonResourcePolicyRule, { verb, path }: RequestInfo): boolean {
  return (
    has(verbs, verb) &&
    nonResourceURLs.some((url) =>
      url.endsWith('*') ? path.startsWith(url.slice(0, -1)) : url === path || `${url}/` === path,
    )
  )
}
