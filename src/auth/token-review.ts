import type { TokenReviewSpec, TokenReviewStatus } from '../api/kinds.ts'
import type { TokenAuthenticator } from './authenticator.ts'
import type { ServiceAccountTokens } from './service-account-tokens.ts'

/** Answers a TokenReview. Never throws: what is wrong with the token is part of the answer. */
export async function reviewToken(
  tokens: ServiceAccountTokens,
  spec: TokenReviewSpec,
  others: readonly TokenAuthenticator[] = [],
): Promise<TokenReviewStatus> {
  if (!spec.token) return { authenticated: false, error: 'token is required' }
  const audiences = spec.audiences?.length ? spec.audiences : [...tokens.apiAudiences]
  try {
    const verified = await tokens.verify(spec.token, audiences)
    if (!verified) {
      for (const authenticate of others) {
        const user = await authenticate(spec.token)
        if (user) return { authenticated: true, user, audiences }
      }
      return { authenticated: false }
    }
    const { username, uid, groups, extra } = verified.user
    return { authenticated: true, user: { username, uid, groups, extra }, audiences: verified.audiences }
  } catch (error) {
    return { authenticated: false, error: `invalid bearer token, ${(error as Error).message}` }
  }
}
