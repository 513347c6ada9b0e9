import { errors } from '../api/status-error.ts'
import type { Clock } from '../lib/clock.ts'
import type { ServiceAccountTokens } from './service-account-tokens.ts'
import { bearerToken, type Headers } from './bearer-token.ts'
import { createCertificateAuthenticator } from './certificate-authenticator.ts'
import { anonymous, type User } from './user.ts'

/** What authentication looks at in a request. */
export interface Credentials {
  /** DER of the client certificate, when the TLS peer sent one (`socket.getPeerCertificate().raw`). */
  peerCertificate?: Uint8Array
  /** As node:http has them: lower-case names. */
  headers: Headers
}

/** Answers who a request comes from; {@link anonymous} without credentials. Throws 401 for credentials that do not count. */
export type Authenticate = (credentials: Credentials) => Promise<User>

/** Another kind of bearer token: undefined when it is not of that kind, throws when it is and does not count. */
export type TokenAuthenticator = (token: string) => Promise<User | undefined>

export interface AuthenticatorOptions {
  caPem: string
  tokens: ServiceAccountTokens
  /** Tried in order after service-account tokens. */
  otherTokens?: readonly TokenAuthenticator[]
  clock: Clock
}

/** A certificate counts first; a bearer token that comes beside it is not looked at, as upstream's union does. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticate {
  const { tokens, clock } = options
  const byCertificate = createCertificateAuthenticator(options.caPem)
  return async ({ peerCertificate, headers }) => {
    if (peerCertificate?.length) {
      const user = byCertificate(peerCertificate, clock.nowMs())
      if (user) return user
    }
    const token = bearerToken(headers)
    if (token === undefined) {
      // A stranger's certificate is no anonymity: say that it did not count.
      if (peerCertificate?.length) throw errors.unauthorized()
      return anonymous
    }
    try {
      const verified = await tokens.verify(token, tokens.apiAudiences)
      if (verified) return verified.user
      for (const authenticate of options.otherTokens ?? []) {
        const user = await authenticate(token)
        if (user) return user
      }
    } catch {
      // Why a token does not count is told to TokenReview's callers, never to whoever holds it.
    }
    throw errors.unauthorized()
  }
}
