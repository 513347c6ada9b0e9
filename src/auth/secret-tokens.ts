import { createHash } from 'node:crypto'
import { decodeJwt, jwtVerify, SignJWT } from 'jose'
import type { Secret, ServiceAccount } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'
import { serviceAccountAlgorithm, type OpenServiceAccountKey } from '../pki/service-account-keys.ts'
import type { TokenAuthenticator } from './authenticator.ts'
import { LruCache } from './lru-cache.ts'
import { groups, serviceAccountGroups, serviceAccountUsername } from './user.ts'

/** Issuer and claims of tokens that live as long as their Secret (upstream's pkg/serviceaccount, legacy.go). */
const issuer = 'kubernetes/serviceaccount'
const claim = {
  namespace: `${issuer}/namespace`,
  secret: `${issuer}/secret.name`,
  account: `${issuer}/service-account.name`,
  uid: `${issuer}/service-account.uid`,
} as const

/** Whom a token is for, and the Secret that holds it. */
export interface SecretTokenSubject {
  namespace: string
  account: string
  accountUid: string
  secret: string
}

/** Makes the token of a Secret of type `kubernetes.io/service-account-token`. */
export type IssueSecretToken = (subject: SecretTokenSubject) => Promise<string>

export function createSecretTokenIssuer(keys: readonly OpenServiceAccountKey[]): IssueSecretToken {
  const signer = keys[0]
  if (!signer) throw new Error('no service-account signing key')
  return ({ namespace, account, accountUid, secret }) =>
    new SignJWT({
      [claim.namespace]: namespace,
      [claim.secret]: secret,
      [claim.account]: account,
      [claim.uid]: accountUid,
    })
      .setProtectedHeader({ alg: serviceAccountAlgorithm, kid: signer.kid })
      .setIssuer(issuer)
      .setSubject(serviceAccountUsername(namespace, account))
      .sign(signer.privateKey)
}

/** Signatures cost 50 µs, and clients send the same token with every request. */
const cacheSize = 1024
const maxTokenLength = 16_384

/** Tokens that count while their Secret holds them and their ServiceAccount is there. */
export function secretTokens(
  keys: readonly OpenServiceAccountKey[],
  informers: Informers,
  clock: Clock,
): TokenAuthenticator {
  const secrets = informers.for<Secret>(refs.secrets)
  const accounts = informers.for<ServiceAccount>(refs.serviceAccounts)
  const verified = new LruCache<SecretTokenSubject>(cacheSize)

  async function subjectOf(token: string): Promise<SecretTokenSubject> {
    const digest = createHash('sha256').update(token).digest('base64url')
    const known = verified.get(digest)
    if (known) return known
    const key = async ({ kid }: { kid?: string }) => {
      const found = keys.find((one) => kid === undefined || one.kid === kid)
      if (!found) throw new Error('signed by a key that is not ours')
      return found.publicKey
    }
    const { payload } = await jwtVerify(token, key, {
      algorithms: [serviceAccountAlgorithm],
      issuer,
      currentDate: new Date(clock.nowMs()),
    })
    const text = (name: string): string => String(payload[name] ?? '')
    const subject = {
      namespace: text(claim.namespace),
      account: text(claim.account),
      accountUid: text(claim.uid),
      secret: text(claim.secret),
    }
    verified.set(digest, subject)
    return subject
  }

  return async (token) => {
    if (!isOurs(token)) return undefined
    const { namespace, account, accountUid, secret } = await subjectOf(token)
    const held = secrets.get(namespace, secret)
    if (!held || held.metadata.deletionTimestamp) throw new Error('service account token has been invalidated')
    if (Buffer.from(held.data?.['token'] ?? '', 'base64').toString('utf8') !== token)
      throw new Error("token doesn't match the one of its secret")
    if (accounts.get(namespace, account)?.metadata.uid !== accountUid)
      throw new Error(`service account UID does not match claim (${accountUid})`)
    return {
      username: serviceAccountUsername(namespace, account),
      uid: accountUid,
      groups: [...serviceAccountGroups(namespace), groups.authenticated],
      extra: {},
    }
  }
}

/** Reads the issuer without believing it. */
function isOurs(token: string): boolean {
  if (token.length > maxTokenLength || token.split('.').length !== 3) return false
  try {
    return decodeJwt(token).iss === issuer
  } catch {
    return false
  }
}
