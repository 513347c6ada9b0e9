import { timingSafeEqual } from 'node:crypto'
import type { Secret } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'
import type { TokenAuthenticator } from './authenticator.ts'
import { groups } from './user.ts'

const namespace = 'kube-system'
const secretType = 'bootstrap.kubernetes.io/token'
const tokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/
const bootstrappers = 'system:bootstrappers'
const extraGroup = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/

/**
 * Bearer tokens that stand in Secrets `bootstrap-token-<id>` of kube-system, by which a new kubelet asks for its
 * certificate (kubernetes.io: authenticating with bootstrap tokens). One that is expired, or not meant for this, is
 * nobody's.
 */
export function bootstrapTokens(informers: Informers, clock: Clock): TokenAuthenticator {
  const secrets = informers.for<Secret & KubeObject>(refs.secrets)
  return async (token) => {
    const [, id, secret] = tokenPattern.exec(token) ?? []
    if (!id || !secret) return undefined
    const stored = secrets.get(namespace, `bootstrap-token-${id}`)
    if (!stored || stored.type !== secretType || stored.metadata.deletionTimestamp) return undefined
    const value = (key: string): string => Buffer.from(stored.data?.[key] ?? '', 'base64').toString('utf8')
    if (value('token-id') !== id || !isEqual(value('token-secret'), secret)) return undefined
    const expiration = value('expiration')
    // A time that cannot be read has not been meant to last for ever.
    if (expiration !== '' && !(Date.parse(expiration) > clock.nowMs())) return undefined
    if (value('usage-bootstrap-authentication') !== 'true') return undefined
    const extra = value('auth-extra-groups').split(',').filter(Boolean)
    if (extra.some((group) => !extraGroup.test(group))) return undefined
    return {
      username: `system:bootstrap:${id}`,
      groups: [...new Set([bootstrappers, ...extra, groups.authenticated])],
      extra: {},
    }
  }
}

function isEqual(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}
