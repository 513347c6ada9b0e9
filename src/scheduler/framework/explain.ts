import { failureMessage, noNodesMessage } from './failure-message.ts'
import type { Profile, Refusal, Snapshot } from './framework.ts'
import type { NodeInfo } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'
import { filterNode, filterWithNominated, prepareFilters, scoreNodes } from './schedule.ts'
import { createVerdicts, noVerdicts } from './verdicts.ts'

/** What each plugin has to say about each node, for `stormo schedule explain`. */
export interface Explanation {
  readonly scheduler: string
  /** Set when the pod was refused before any node was looked at. */
  readonly refused: { readonly plugin: string; readonly reasons: readonly string[] } | undefined
  /** Names of the columns of filters and scores, in order. */
  readonly filters: readonly string[]
  readonly scores: readonly { readonly name: string; readonly weight: number }[]
  /** Fitting nodes first, the best of them first. */
  readonly nodes: readonly ExplainedNode[]
  /** The node that has the highest score; the first of several. */
  readonly chosen: string | undefined
  /** As in the event, when no node fits. */
  readonly message: string | undefined
}

export interface ExplainedNode {
  readonly name: string
  /** By filter: why it refuses the node; empty where it does not. */
  readonly refusals: Readonly<Record<string, readonly string[]>>
  readonly fits: boolean
  /** By score plugin: 0…100 before weighing. Empty for nodes that do not fit. */
  readonly scores: Readonly<Record<string, number>>
  /** Sum of score × weight. */
  readonly total: number
}

/** Asks all filters about all nodes, and all scores about those that fit. Pure; changes nothing. */
export function explain(pod: PodInfo, snapshot: Snapshot, profile: Profile): Explanation {
  const setup = prepareFilters(pod, snapshot, profile)
  const count = snapshot.nodes.length
  const base = { scheduler: profile.name, scores: [], chosen: undefined }
  if (setup.filters === undefined) {
    const { plugin, refusal } = setup
    const diagnosis = {
      nodeCount: count,
      general: refusal,
      verdicts: noVerdicts,
      absent: undefined,
      plugins: new Set<string>(),
    }
    const refused = { plugin, reasons: refusal.reasons }
    return { ...base, refused, filters: [], nodes: [], message: failureMessage(diagnosis) }
  }
  const { filters, nodeNames, narrowed } = setup
  const refusalsOf = (node: NodeInfo): Record<string, readonly string[]> => {
    const found: [string, Refusal][] = filters.flatMap((one) => {
      const refusal = filterNode(pod, node, [one])?.refusal
      return refusal ? [[one.plugin.name, refusal]] : []
    })
    const crowded = found.length === 0 ? filterWithNominated(pod, node, filters, snapshot) : undefined
    if (crowded) found.push([crowded.plugin, crowded.refusal])
    if (nodeNames && !nodeNames.has(node.name) && found.length === 0)
      for (const name of narrowed) found.push([name, { reasons: ["node(s) didn't satisfy the plugin"], forGood: true }])
    return Object.fromEntries(found.map(([name, { reasons }]) => [name, reasons]))
  }
  const refusals = new Map(snapshot.nodes.map((node) => [node, refusalsOf(node)]))
  const feasible = snapshot.nodes.filter((node) => Object.keys(refusals.get(node)!).length === 0)
  const columns = scoreNodes(pod, snapshot, profile.scores, feasible)
  const explained = snapshot.nodes.map((node): ExplainedNode => {
    const index = feasible.indexOf(node)
    const scores = index < 0 ? {} : Object.fromEntries(columns.map((column) => [column.name, column.scores[index]!]))
    const total = index < 0 ? 0 : columns.reduce((sum, column) => sum + column.scores[index]! * column.weight, 0)
    return { name: node.name, refusals: refusals.get(node)!, fits: index >= 0, scores, total }
  })
  const nodes = explained.toSorted(
    (a, b) => Number(b.fits) - Number(a.fits) || b.total - a.total || (a.name < b.name ? -1 : 1),
  )
  const verdicts = snapshot.nodes.flatMap((node) => {
    const first = Object.entries(refusals.get(node)!)[0]
    return first ? [{ node, plugin: first[0], refusal: { reasons: first[1], forGood: false } }] : []
  })
  const diagnosis = {
    nodeCount: count,
    general: undefined,
    verdicts: createVerdicts(verdicts),
    absent: undefined,
    plugins: new Set<string>(),
  }
  return {
    scheduler: profile.name,
    refused: undefined,
    filters: filters.map(({ plugin }) => plugin.name),
    scores: columns.map(({ name, weight }) => ({ name, weight })),
    nodes,
    chosen: nodes[0]?.fits ? nodes[0].name : undefined,
    message: count === 0 ? noNodesMessage : feasible.length > 0 ? undefined : failureMessage(diagnosis),
  }
}
