import type { AccessRequest, Authorize } from '../api/authorizer.ts'
import type { FieldError } from '../api/status-error.ts'
import type {
  NonResourceAttributes,
  PolicyRule,
  ResourceAttributes,
  SelfSubjectReviewStatus,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
  SubjectRulesReviewStatus,
  UserInfo,
} from '../api/kinds.ts'
import { fieldErrors } from '../api/status-error.ts'
import { parseFieldSelector } from '../lib/selector.ts'
import { parseLabelSelector } from '../lib/label-selector-text.ts'
import type { RuleResolver } from './rbac/rule-resolver.ts'
import { isMaster } from './user.ts'

/** The attributes part that all access reviews share. */
export interface ReviewAttributes {
  resourceAttributes?: ResourceAttributes
  nonResourceAttributes?: NonResourceAttributes
}

/** Rules of authorization.k8s.io validation for the spec of any access review. */
export function validateAccessReview(spec: SubjectAccessReviewSpec, who: 'self' | 'subject'): FieldError[] {
  const causes: FieldError[] = []
  if (spec.resourceAttributes && spec.nonResourceAttributes) {
    causes.push(
      fieldErrors.invalid(
        'spec.nonResourceAttributes',
        '',
        'cannot be specified in combination with resourceAttributes',
      ),
    )
  }
  if (!spec.resourceAttributes && !spec.nonResourceAttributes) {
    causes.push(
      fieldErrors.invalid(
        'spec.resourceAttributes',
        '',
        'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ),
    )
  }
  if (who === 'subject' && !spec.user && !spec.groups?.length) {
    causes.push(fieldErrors.invalid('spec.user', '', 'at least one of user or group must be specified'))
  }
  return causes
}

/** Answers Self-, Local- and SubjectAccessReview: may `user` do what the attributes say? */
export function reviewAccess(
  authorize: Authorize,
  user: UserInfo,
  attributes: ReviewAttributes,
): SubjectAccessReviewStatus {
  const decision = authorize({ user, ...accessRequestOf(attributes) })
  return {
    allowed: decision.verdict === 'allow',
    ...(decision.verdict === 'deny' ? { denied: true } : {}),
    ...(decision.reason ? { reason: decision.reason } : {}),
    ...(decision.evaluationError ? { evaluationError: decision.evaluationError } : {}),
  }
}

/** The user that a SubjectAccessReview asks about. */
export function reviewSubject(spec: SubjectAccessReviewSpec): UserInfo {
  return { username: spec.user ?? '', groups: spec.groups ?? [], uid: spec.uid ?? '', extra: spec.extra ?? {} }
}

function accessRequestOf(attributes: ReviewAttributes): Omit<AccessRequest, 'user'> {
  const path = attributes.nonResourceAttributes
  if (path) return { verb: path.verb ?? '', path: path.path ?? '' }
  const resource = attributes.resourceAttributes ?? {}
  return {
    verb: resource.verb ?? '',
    group: resource.group ?? '',
    version: resource.version ?? '',
    resource: resource.resource ?? '',
    subresource: resource.subresource ?? '',
    namespace: resource.namespace ?? '',
    name: resource.name ?? '',
    fieldSelector: fieldRequirements(resource),
    labelSelector: labelRequirements(resource),
  }
}

/** A selector that cannot be read narrows nothing: the answer is then that for all objects. */
function fieldRequirements(resource: ResourceAttributes): AccessRequest['fieldSelector'] {
  const selector = resource.fieldSelector
  if (!selector?.rawSelector) return selector?.requirements
  try {
    return parseFieldSelector(selector.rawSelector).map(({ field, operator, value }) => ({
      key: field,
      operator: operator === '=' ? 'In' : 'NotIn',
      values: [value],
    }))
  } catch {
    return undefined
  }
}

function labelRequirements(resource: ResourceAttributes): AccessRequest['labelSelector'] {
  const selector = resource.labelSelector
  if (!selector?.rawSelector) return selector?.requirements
  try {
    return parseLabelSelector(selector.rawSelector).map(({ key, operator, values }) => ({
      key,
      operator: operator === '=' ? 'In' : operator === '!=' ? 'NotIn' : operator,
      values: [...values],
    }))
  } catch {
    return undefined
  }
}

/** Answers SelfSubjectRulesReview: everything that the user may do in one namespace (`kubectl auth can-i --list`). */
export function reviewRules(resolver: RuleResolver, user: UserInfo, namespace: string): SubjectRulesReviewStatus {
  const { rules, errors } = resolver.rulesFor(user, namespace)
  const everything: PolicyRule[] = isMaster(user)
    ? [
        { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
        { nonResourceURLs: ['*'], verbs: ['*'] },
      ]
    : []
  const all = [...everything, ...rules]
  return {
    resourceRules: all
      .filter((rule) => rule.resources?.length)
      .map(({ verbs, apiGroups, resources, resourceNames }) => ({
        verbs,
        apiGroups,
        resources,
        ...(resourceNames?.length ? { resourceNames } : {}),
      })),
    nonResourceRules: all
      .filter((rule) => rule.nonResourceURLs?.length)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: errors.length > 0,
    ...(errors.length ? { evaluationError: errors.join(', ') } : {}),
  }
}

/** Answers SelfSubjectReview (`kubectl auth whoami`). */
export function reviewSelf(user: UserInfo): SelfSubjectReviewStatus {
  const { username, uid, groups, extra } = user
  return {
    userInfo: {
      username,
      ...(uid ? { uid } : {}),
      groups,
      ...(extra && Object.keys(extra).length ? { extra } : {}),
    },
  }
}
