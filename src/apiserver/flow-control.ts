import type { UserInfo } from '../api/kinds.ts'
import { StatusError } from '../api/status-error.ts'

/** Seats of one server. Watches and streams take none: they wait rather than work. */
export interface FlowControl {
  /** Takes a seat; call the result to give it back. Throws TooManyRequests when there is none for this user. */
  enter(user: UserInfo): () => void
}

/** kube-apiserver's sum of --max-requests-inflight and --max-mutating-requests-inflight. */
const totalSeats = 600
/** No single user may hold more of them, so that a flood leaves room for everybody else. */
const seatsPerUser = totalSeats / 4
const retryAfterSeconds = 1

/**
 * Bounds what is answered at once (in the spirit of API priority and fairness, KEP-1040, with one level and a flow a
 * user). The cluster's own identities are exempt: who repairs a flooded cluster must get in.
 */
export function createFlowControl(limits = { totalSeats, seatsPerUser }): FlowControl {
  const byUser = new Map<string, number>()
  let taken = 0
  return {
    enter(user) {
      if (isExempt(user)) return () => undefined
      const name = user.username ?? ''
      const own = byUser.get(name) ?? 0
      if (taken >= limits.totalSeats || own >= limits.seatsPerUser) {
        throw new StatusError('TooManyRequests', 'too many requests, please try again later', { retryAfterSeconds })
      }
      taken++
      byUser.set(name, own + 1)
      let left = false
      return () => {
        if (left) return
        left = true
        taken--
        const rest = (byUser.get(name) ?? 1) - 1
        if (rest === 0) byUser.delete(name)
        else byUser.set(name, rest)
      }
    },
  }
}

const isExempt = (user: UserInfo): boolean =>
  user.groups?.some((group) => group === 'system:masters' || group === 'system:nodes') === true
