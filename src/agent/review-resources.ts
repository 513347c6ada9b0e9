import type {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  TokenReview,
} from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import { reviewAccess, reviewRules, reviewSelf, reviewSubject, validateAccessReview } from '../auth/access-reviews.ts'
import type { TokenAuthenticator } from '../auth/authenticator.ts'
import type { Authorization } from '../auth/authorizer.ts'
import type { ServiceAccountTokens } from '../auth/service-account-tokens.ts'
import { reviewToken } from '../auth/token-review.ts'
import type { Clock } from '../lib/clock.ts'
import type { VirtualResource } from '../registry/environment.ts'
import { timestamp } from '../registry/metadata.ts'

const group = 'authorization.k8s.io'

/** The kinds that are questions: they are answered and never stored. */
export function reviewResources(
  { authorize, resolver }: Pick<Authorization, 'authorize' | 'resolver'>,
  tokens: ServiceAccountTokens,
  otherTokens: readonly TokenAuthenticator[],
  clock: Pick<Clock, 'nowMs'>,
): Record<string, VirtualResource> {
  const refuse = (
    kind: string,
    review: { spec?: Parameters<typeof validateAccessReview>[0] },
    who: 'self' | 'subject',
  ) => {
    const causes = validateAccessReview(review.spec ?? {}, who)
    if (causes.length > 0) throw errors.invalid({ group, kind }, '', causes)
  }
  const answer = (review: KubeObject, status: object): KubeObject => ({ ...review, status }) as KubeObject

  return {
    [`selfsubjectaccessreviews.${group}`]: async (object, { user }) => {
      const review = object as SelfSubjectAccessReview
      refuse('SelfSubjectAccessReview', review, 'self')
      return answer(object, reviewAccess(authorize, user, review.spec ?? {}))
    },
    [`subjectaccessreviews.${group}`]: async (object) => {
      const review = object as SubjectAccessReview
      refuse('SubjectAccessReview', review, 'subject')
      return answer(object, reviewAccess(authorize, reviewSubject(review.spec ?? {}), review.spec ?? {}))
    },
    [`localsubjectaccessreviews.${group}`]: async (object, _context, target) => {
      const review = object as LocalSubjectAccessReview
      refuse('LocalSubjectAccessReview', review, 'subject')
      const spec = review.spec ?? {}
      if (spec.resourceAttributes && (spec.resourceAttributes.namespace ?? '') !== target.namespace) {
        throw errors.badRequest(`namespace on object does not match namespace on request`)
      }
      return answer(object, reviewAccess(authorize, reviewSubject(spec), spec))
    },
    [`selfsubjectrulesreviews.${group}`]: async (object, { user }) => {
      const review = object as SelfSubjectRulesReview
      return answer(object, reviewRules(resolver, user, review.spec?.namespace ?? ''))
    },
    'selfsubjectreviews.authentication.k8s.io': async (object, { user }) => {
      // Alone among the questions it tells when it was answered.
      const metadata = { ...object.metadata, creationTimestamp: timestamp(clock.nowMs()) }
      return answer({ ...object, metadata }, reviewSelf(user))
    },
    'tokenreviews.authentication.k8s.io': async (object) =>
      answer(object, await reviewToken(tokens, (object as TokenReview).spec ?? {}, otherTokens)),
  }
}
