import type { PerturbedInformers } from '../client/perturbed-informers.ts'
import type { SimulatedCluster } from './simulated-cluster.ts'

/**
 * What can happen to the view that scheduler and controllers have of the cluster (Sieve's three, Sun et al., OSDI 2022).
 * Each ends with the present, in which what came and went meanwhile was never seen.
 */
type ViewFault = (view: PerturbedInformers, cluster: SimulatedCluster, forMs: number) => (() => void) | void

/** How long before the end of the fault the view jumps back, and so works on what it should know to be old. */
const table = {
  'view.stale': (view) => {
    view.freeze()
    return () => view.thaw()
  },
  'view.back-in-time': (view, { time }, forMs) => {
    view.mark()
    const jump = time.after(forMs / 2, () => view.travelBack())
    return () => {
      jump.cancel()
      view.thaw()
    }
  },
  'view.skips-states': (view, { time }, forMs) => {
    const endMs = time.nowMs + forMs
    let isFrozen = false
    const blink = (): void => {
      if (isFrozen) view.thaw()
      else view.freeze()
      isFrozen = !isFrozen
      if (time.nowMs < endMs || isFrozen) time.after(isFrozen ? 3_000 : 200, blink)
    }
    blink()
  },
} satisfies Record<string, ViewFault>

export type ViewFaultName = keyof typeof table

export const viewFaultNames = Object.keys(table) as ViewFaultName[]

export const isViewFault = (name: string): name is ViewFaultName => Object.hasOwn(table, name)

/** Makes the fault happen to a view; returns how it ends. */
export function applyViewFault(
  name: ViewFaultName,
  view: PerturbedInformers,
  cluster: SimulatedCluster,
  forMs: number,
): (() => void) | void {
  cluster.hit(name)
  const fault: ViewFault = table[name]
  return fault(view, cluster, forMs)
}
