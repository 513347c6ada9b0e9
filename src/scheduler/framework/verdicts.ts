import type { Refusal } from './framework.ts'
import type { NodeInfo } from './node-info.ts'

/** Why one node was refused, and by which plugin. */
export interface Verdict {
  readonly node: NodeInfo
  readonly plugin: string
  readonly refusal: Refusal
}

/** What was said about the nodes that were looked at: one verdict a node, and how many of each. */
export interface Verdicts {
  readonly size: number
  of(node: NodeInfo): Verdict | undefined
  /** The refusals with the number of nodes, and the plugin, that each is of. A few, however many nodes there are. */
  tally(): Iterable<readonly [refusal: Refusal, count: number, plugin: string]>
}

export interface LiveVerdicts extends Verdicts {
  add(verdict: Verdict): void
  /** True when there was one. */
  delete(node: NodeInfo): boolean
}

/** Verdicts that are counted as they come and go. */
export function createVerdicts(initial: Iterable<Verdict> = []): LiveVerdicts {
  const byNode = new Map<NodeInfo, Verdict>()
  const counts = new Map<Refusal, { plugin: string; count: number }>()
  const verdicts: LiveVerdicts = {
    get size() {
      return byNode.size
    },
    of: (node) => byNode.get(node),
    *tally() {
      for (const [refusal, { plugin, count }] of counts) yield [refusal, count, plugin]
    },
    add(verdict) {
      verdicts.delete(verdict.node)
      byNode.set(verdict.node, verdict)
      const counted = counts.get(verdict.refusal)
      if (counted) counted.count++
      else counts.set(verdict.refusal, { plugin: verdict.plugin, count: 1 })
    },
    delete(node) {
      const verdict = byNode.get(node)
      if (!verdict) return false
      byNode.delete(node)
      const counted = counts.get(verdict.refusal)!
      if (--counted.count === 0) counts.delete(verdict.refusal)
      return true
    },
  }
  for (const verdict of initial) verdicts.add(verdict)
  return verdicts
}

export const noVerdicts: Verdicts = createVerdicts()

/** The verdicts of both, which are about different nodes. */
export const bothVerdicts = (a: Verdicts, b: Verdicts): Verdicts => ({
  get size() {
    return a.size + b.size
  },
  of: (node) => a.of(node) ?? b.of(node),
  *tally() {
    yield* a.tally()
    yield* b.tally()
  },
})
