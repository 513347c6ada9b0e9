import type {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  TokenReview,
} from '../api/kinds.ts'
import type { Authorize } from '../api/authorizer.ts'
import type { KubeObject } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import { reviewAccess, reviewRules, reviewSelf, reviewSubject, validateAccessReview } from '../auth/access-reviews.ts'
import type { RuleResolver } from '../auth/rbac/rule-resolver.ts'
import type { ServiceAccountTokens } from '../auth/service-account-tokens.ts'
import { reviewToken } from '../auth/token-review.ts'
import type { VirtualResource } from './environment.ts'

/** The review kinds of authentication.k8s.io and authorization.k8s.io: asked by a create, answered, never stored. */
export function reviewResources(options: {
  authorize: Authorize
  resolver: RuleResolver
  tokens: ServiceAccountTokens
}): Record<string, VirtualResource> {
  const { authorize, resolver, tokens } = options
  const authorization = (resource: string) => `${resource}.authorization.k8s.io`
  const authentication = (resource: string) => `${resource}.authentication.k8s.io`

  const subjectReview =
    (kind: string): VirtualResource =>
    async (object) => {
      const { spec } = object as (SubjectAccessReview | LocalSubjectAccessReview) & KubeObject
      const causes = validateAccessReview(spec, 'subject')
      if (causes.length > 0) throw errors.invalid({ group: 'authorization.k8s.io', kind }, '', causes)
      return answered(object, reviewAccess(authorize, reviewSubject(spec), spec))
    }

  return {
    [authorization('selfsubjectaccessreviews')]: async (object, { user }) => {
      const { spec } = object as SelfSubjectAccessReview & KubeObject
      const causes = validateAccessReview(spec, 'self')
      if (causes.length > 0) {
        throw errors.invalid({ group: 'authorization.k8s.io', kind: 'SelfSubjectAccessReview' }, '', causes)
      }
      return answered(object, reviewAccess(authorize, user, spec))
    },
    [authorization('subjectaccessreviews')]: subjectReview('SubjectAccessReview'),
    [authorization('localsubjectaccessreviews')]: async (object, context, target) => {
      const { spec } = object as LocalSubjectAccessReview & KubeObject
      if (spec.resourceAttributes?.namespace !== target.namespace) {
        throw errors.badRequest(`spec.resourceAttributes.namespace must match namespace: ${target.namespace}`)
      }
      return subjectReview('LocalSubjectAccessReview')(object, context, target)
    },
    [authorization('selfsubjectrulesreviews')]: async (object, { user }) => {
      const { spec } = object as SelfSubjectRulesReview & KubeObject
      if (!spec.namespace) throw errors.badRequest('no namespace on request')
      return answered(object, reviewRules(resolver, user, spec.namespace))
    },
    [authentication('selfsubjectreviews')]: async (object, { user }) => answered(object, reviewSelf(user)),
    [authentication('tokenreviews')]: async (object) => {
      const { spec } = object as TokenReview & KubeObject
      return answered(object, await reviewToken(tokens, spec))
    },
  }
}

const answered = (object: KubeObject, status: object): KubeObject => ({ ...object, status }) as KubeObject
