import { createHash } from 'node:crypto'
import { decodeProtectedHeader, jwtVerify, SignJWT } from 'jose'
import type { Clock, Random } from '../lib/clock.ts'
import { serviceAccountAlgorithm, type OpenServiceAccountKey } from '../pki/service-account-keys.ts'
import { LruCache } from './lru-cache.ts'
import { boundRefusal, userOfClaims, type BoundLookup, type KubernetesClaim, type TokenClaims } from './token-claims.ts'
import { serviceAccountUsername, type User } from './user.ts'

export interface ServiceAccountTokenOptions {
  /** The first signs, all verify. */
  keys: readonly OpenServiceAccountKey[]
  /** `iss` of the tokens; https://kubernetes.default.svc.cluster.local unless the cluster has a public one. */
  issuer: string
  /** Audiences of the API itself: what a token is for when a request names none, and what it must have to get in. */
  apiAudiences: readonly string[]
  lookup: BoundLookup
  clock: Clock
  random: Random
}

export interface IssueOptions {
  claim: KubernetesClaim
  audiences: readonly string[]
  expirationSeconds: number
}

/** A token that counts, for these of the audiences asked for. */
export interface VerifiedToken {
  user: User
  audiences: string[]
}

/** Makes and checks bound service-account tokens (KEP-1205). */
export interface ServiceAccountTokens {
  readonly issuer: string
  readonly apiAudiences: readonly string[]
  issue(options: IssueOptions): Promise<{ token: string; expiresMs: number }>
  /**
   * `undefined`: not a token of this issuer, somebody else may know it. Throws an Error that says why when it is ours
   * but does not count: signature, time, audience, or what it is bound to is gone.
   */
  verify(token: string, audiences: readonly string[]): Promise<VerifiedToken | undefined>
}

/** Checking an RSA signature costs 50 µs; clients send the same token with every request. */
const cacheSize = 4096
/** Clocks of machines differ, and a token made on one is used on another at once. */
const clockSkewSeconds = 300
/** Longest token that is looked at. */
const maxTokenLength = 16_384

export function createServiceAccountTokens(options: ServiceAccountTokenOptions): ServiceAccountTokens {
  const { keys, issuer, clock } = options
  const signer = keys[0]
  if (!signer) throw new Error('no service-account signing key')
  const verified = new LruCache<TokenClaims>(cacheSize)

  async function checkSignature(token: string): Promise<TokenClaims> {
    const { kid } = decodeProtectedHeader(token)
    // Tokens made by others with our keys may lack a kid: try them all then.
    const candidates = keys.filter((key) => kid === undefined || key.kid === kid)
    for (const key of candidates) {
      try {
        const { payload } = await jwtVerify(token, key.publicKey, {
          algorithms: [serviceAccountAlgorithm],
          issuer,
          requiredClaims: ['sub', 'aud', 'exp', 'jti', 'kubernetes.io'],
          currentDate: new Date(clock.nowMs()),
          clockTolerance: clockSkewSeconds,
        })
        const { aud } = payload
        return { ...(payload as unknown as TokenClaims), aud: typeof aud === 'string' ? [aud] : (aud ?? []) }
      } catch (error) {
        if ((error as { code?: string }).code === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED') continue
        throw error
      }
    }
    throw new Error('invalid signature')
  }

  return {
    issuer,
    apiAudiences: options.apiAudiences,

    async issue({ claim, audiences, expirationSeconds }) {
      const issuedAt = Math.floor(clock.nowMs() / 1000)
      const expires = issuedAt + expirationSeconds
      const token = await new SignJWT({ 'kubernetes.io': { ...claim } })
        .setProtectedHeader({ alg: serviceAccountAlgorithm, kid: signer.kid })
        .setIssuer(issuer)
        .setSubject(serviceAccountUsername(claim.namespace, claim.serviceaccount.name))
        .setAudience([...audiences])
        .setIssuedAt(issuedAt)
        .setNotBefore(issuedAt)
        .setExpirationTime(expires)
        .setJti(uuid(options.random))
        .sign(signer.privateKey)
      return { token, expiresMs: expires * 1000 }
    },

    async verify(token, audiences) {
      if (!claimsIssuer(token, issuer)) return undefined
      const digest = createHash('sha256').update(token).digest('base64url')
      const known = verified.get(digest)
      const claims = known ?? (await checkSignature(token))
      if (!known) verified.set(digest, claims)
      const nowSeconds = clock.nowMs() / 1000
      if (claims.exp <= nowSeconds) throw new Error('service account token has expired')
      if (claims.nbf > nowSeconds + clockSkewSeconds) throw new Error('service account token is not valid yet')
      const shared = claims.aud.filter((audience) => audiences.includes(audience))
      if (shared.length === 0) {
        throw new Error(
          `token audiences ${JSON.stringify(claims.aud)} is invalid for the target audiences ${JSON.stringify(audiences)}`,
        )
      }
      const refusal = boundRefusal(claims['kubernetes.io'], options.lookup, clock.nowMs())
      if (refusal) throw new Error(`service account token has been invalidated: ${refusal}`)
      return { user: userOfClaims(claims), audiences: shared }
    },
  }
}

/** Reads `iss` without believing it: only tells whose token it says it is. */
function claimsIssuer(token: string, issuer: string): boolean {
  if (token.length > maxTokenLength) return false
  const [, payload, signature] = token.split('.')
  if (!payload || !signature) return false
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
    return typeof claims === 'object' && claims !== null && 'iss' in claims && claims.iss === issuer
  } catch {
    return false
  }
}

/** RFC 9562 version 4, from the given source of chance. */
function uuid(random: Random): string {
  const bytes = random.bytes(16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = Buffer.from(bytes).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
