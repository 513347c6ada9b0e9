import type { Pod, TokenRequest } from '../../api/kinds.ts'
import { refs, type Client } from '../../client/client.ts'
import type { Clock } from '../../lib/clock.ts'

const defaultExpirationSeconds = 3_600
/** A token is replaced after this part of its life, or after a day (upstream token_manager.go). */
const renewAtFraction = 0.8
const maxAgeMs = 24 * 3_600_000
/** How long before a failed renewal is tried again; the old token goes on until it expires. */
const callTimeoutMs = 10_000

/** A token with when it ends. */
export interface IssuedToken {
  readonly token: string
  readonly expiresAtMs: number
}

interface Held extends IssuedToken {
  readonly renewAtMs: number
}

/** Tokens of pods, bound to the pod, asked for once and renewed in time. */
export interface ServiceAccountTokens {
  issued(pod: Pod, audience: string | undefined, expirationSeconds: number | undefined): Promise<IssuedToken>
  /** Drops the tokens of a pod that is gone. */
  forget(podUid: string): void
}

export function createServiceAccountTokens(client: Client, clock: Clock): ServiceAccountTokens {
  const held = new Map<string, Map<string, Held>>()

  async function request(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<Held> {
    const name = pod.spec?.serviceAccountName || 'default'
    const { namespace, name: podName, uid } = pod.metadata
    const answer = await client.create<TokenRequest>(
      refs.serviceAccounts,
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        metadata: { name, namespace },
        spec: {
          ...(audience ? { audiences: [audience] } : {}),
          expirationSeconds,
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: podName, uid },
        },
      },
      { subresource: 'token', signal: AbortSignal.timeout(callTimeoutMs) },
    )
    const now = clock.nowMs()
    const expiresAtMs = Date.parse(answer.status?.expirationTimestamp ?? '')
    const lifeMs = Number.isNaN(expiresAtMs) ? expirationSeconds * 1000 : expiresAtMs - now
    return {
      token: answer.status?.token ?? '',
      renewAtMs: now + Math.min(lifeMs * renewAtFraction, maxAgeMs),
      expiresAtMs: now + lifeMs,
    }
  }

  return {
    async issued(pod, audience, expirationSeconds = defaultExpirationSeconds) {
      const uid = pod.metadata.uid ?? ''
      const mine = held.get(uid) ?? new Map<string, Held>()
      held.set(uid, mine)
      const key = `${audience ?? ''} ${expirationSeconds}`
      const current = mine.get(key)
      const now = clock.nowMs()
      if (current !== undefined && now < current.renewAtMs) return current
      try {
        const fresh = await request(pod, audience, expirationSeconds)
        mine.set(key, fresh)
        return fresh
      } catch (error) {
        if (current !== undefined && now < current.expiresAtMs) return current
        throw error
      }
    },
    forget: (podUid) => void held.delete(podUid),
  }
}
