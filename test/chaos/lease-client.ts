import type { KubeObject } from '../../src/api/object.ts'
import { isStatus } from '../../src/api/status-error.ts'
import { namespace, repeat, type Load } from './clients.ts'
import { outcomeOf, settled } from './history.ts'

const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`
export const leasePath = `${leases}/elected`

/** As client-go asks: lease duration > renew deadline, so that a holder gives up before another takes over. */
const leaseDurationMs = 3_000
const renewDeadlineMs = 2_000
const timeoutMs = 1_500

export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string
    leaseDurationSeconds?: number
    acquireTime?: string
    renewTime?: string
    leaseTransitions?: number
  }
}

/** What a state of the Lease is called: who holds it, and which write made it. */
export const leaseState = (lease: Lease): string =>
  `${lease.spec?.holderIdentity ?? ''} ${lease.metadata.annotations?.['write'] ?? ''}`

/**
 * Runs for election as client-go's leaderelection does: a lease is free when its record has not changed for its duration
 * by the own clock; every take-over and renewal is a replacement under the resourceVersion that was read. A holder counts
 * as such until the renew deadline after it sent the last renewal that was acknowledged.
 */
export async function runForElection(load: Load): Promise<void> {
  const { client, name: holder } = load.node
  let seen = ''
  let seenMs = 0
  let heldSinceMs: number | undefined
  let renewedMs = 0
  const endHolding = (): void => {
    if (heldSinceMs !== undefined)
      load.history.holdings.push({ holder, fromMs: heldSinceMs, untilMs: renewedMs + renewDeadlineMs })
    heldSinceMs = undefined
  }
  await repeat(load, async (round) => {
    if (performance.now() > renewedMs + renewDeadlineMs) endHolding()
    const { value: lease, error: unread } = await settled(client.json<Lease>({ path: leasePath, timeoutMs }))
    if (isStatus(unread, 'NotFound')) await settled(client.json({ method: 'POST', path: leases, body: first() }))
    if (!lease) return
    if (leaseState(lease) !== seen) {
      seen = leaseState(lease)
      seenMs = performance.now()
    }
    const isOurs = heldSinceMs !== undefined && lease.spec?.holderIdentity === holder
    if (!isOurs && lease.spec?.holderIdentity !== '' && performance.now() < seenMs + leaseDurationMs) return
    // Holding a lease while another's name is on it is not possible without having lost it.
    if (!isOurs) endHolding()
    const body = taken(lease, `${holder}-${round}`)
    const calledMs = performance.now()
    const { error } = await settled(client.json({ method: 'PUT', path: leasePath, body, timeoutMs }))
    const returnedMs = performance.now()
    load.history.conditional.push({
      node: holder,
      register: 'lease',
      expected: leaseState(lease),
      value: leaseState(body),
      calledMs,
      returnedMs,
      outcome: outcomeOf(error),
      error: error?.message ?? '',
    })
    if (error || returnedMs > calledMs + renewDeadlineMs) return
    if (returnedMs > renewedMs + renewDeadlineMs) endHolding()
    heldSinceMs ??= returnedMs
    renewedMs = calledMs
  })
  endHolding()

  function taken(lease: Lease, write: string): Lease {
    const now = new Date().toISOString().replace('Z', '000Z')
    const isSame = lease.spec?.holderIdentity === holder
    return {
      ...lease,
      metadata: { ...lease.metadata, annotations: { write } },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: leaseDurationMs / 1000,
        acquireTime: isSame ? (lease.spec?.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: (lease.spec?.leaseTransitions ?? 0) + (isSame ? 0 : 1),
      },
    }
  }
}

/** Nobody's yet: all candidates begin with the same one. */
export const first = (): Lease => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'elected', annotations: { write: 'none' } },
  spec: { holderIdentity: '', leaseTransitions: 0 },
})
