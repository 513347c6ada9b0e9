import {
  type FilterPlugin,
  maxScore,
  type Profile,
  type Refusal,
  type Snapshot,
  type WeightedScore,
} from './framework.ts'
import { addPod, cloneNodeInfo, memoKind, memoOf, type NodeInfo } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'
import { bothVerdicts, createVerdicts, noVerdicts, type Verdict, type Verdicts } from './verdicts.ts'

/** A filter with what it found out about the pod of this attempt. */
export interface ActiveFilter {
  readonly plugin: FilterPlugin
  readonly state: unknown
}

/** Why no node took the pod. */
export interface Diagnosis {
  readonly nodeCount: number
  /** A filter refused the pod before it looked at any node. */
  readonly general: Refusal | undefined
  readonly verdicts: Verdicts
  /** What stands for all nodes that were not worth a look. */
  readonly absent: Refusal | undefined
  /** Names of the plugins that refused anything. */
  readonly plugins: ReadonlySet<string>
}

export type Outcome =
  | { readonly node: NodeInfo; readonly feasibleCount: number; readonly nextStart: number }
  | { readonly node: undefined; readonly diagnosis: Diagnosis; readonly nextStart: number }

export interface AttemptOptions {
  /** Where in the list of nodes to begin; pass the previous outcome's `nextStart`. */
  readonly start: number
  /** Random in 0…1: breaks ties among the best, so that equal nodes fill evenly. */
  readonly chance: number
  /** A node that room was made on: taken at once when it fits. */
  readonly nominatedNode?: string
}

export type FilterSetup =
  | {
      readonly filters: readonly ActiveFilter[]
      readonly nodeNames: ReadonlySet<string> | undefined
      readonly narrowed: readonly string[]
    }
  | { readonly filters: undefined; readonly plugin: string; readonly refusal: Refusal }

/** Chooses a node for a pod. Pure. Only as many nodes are looked at as it takes to find enough that fit. */
export function schedule(pod: PodInfo, snapshot: Snapshot, profile: Profile, options: AttemptOptions): Outcome {
  const { nodes } = snapshot
  const setup = prepareFilters(pod, snapshot, profile)
  if (setup.filters === undefined) {
    const { plugin, refusal } = setup
    const diagnosis = {
      nodeCount: nodes.length,
      general: refusal,
      verdicts: noVerdicts,
      absent: undefined,
      plugins: new Set([plugin]),
    }
    return { node: undefined, diagnosis, nextStart: options.start }
  }
  const { filters, nodeNames, narrowed } = setup
  const preferred = options.nominatedNode === undefined ? undefined : snapshot.node(options.nominatedNode)
  if (preferred && (nodeNames?.has(preferred.name) ?? true) && !filterWithNominated(pod, preferred, filters, snapshot))
    return { node: preferred, feasibleCount: 1, nextStart: options.start }
  const list = nodeNames ? [...nodeNames].flatMap((name) => snapshot.node(name) ?? []) : nodes
  const wanted = nodeNames ? list.length : nodesToFind(profile.percentageOfNodesToScore, nodes.length)
  const search = { pod, snapshot, filters, kind: memoKind(profile.name, pod) }
  const { feasible, verdicts, looked } = findFeasible(search, list, wanted, options.start)
  const nextStart = nodeNames || list.length === 0 ? options.start : (options.start + looked) % list.length
  if (feasible.length > 0)
    return { node: best(pod, snapshot, profile, feasible, options.chance), feasibleCount: feasible.length, nextStart }
  const plugins = new Set(narrowed)
  for (const [, , plugin] of verdicts.tally()) plugins.add(plugin)
  const absent = nodeNames && narrowedOut(narrowed)
  return {
    node: undefined,
    diagnosis: { nodeCount: nodes.length, general: undefined, verdicts, absent, plugins },
    nextStart,
  }
}

const narrowedOut = (plugins: readonly string[]): Refusal => ({
  reasons: [`node(s) didn't satisfy plugin(s) [${plugins.toSorted().join(' ')}]`],
  forGood: true,
})

/** Lets every filter look at the pod once. */
export function prepareFilters(pod: PodInfo, snapshot: Snapshot, profile: Profile): FilterSetup {
  const filters: ActiveFilter[] = []
  const narrowed: string[] = []
  let nodeNames: ReadonlySet<string> | undefined
  for (const plugin of profile.filters) {
    const prepared = plugin.prepare(pod, snapshot)
    if (prepared === 'skip') continue
    if ('refusal' in prepared) return { filters: undefined, plugin: plugin.name, refusal: prepared.refusal }
    filters.push({ plugin, state: prepared.state })
    if (!prepared.nodeNames) continue
    narrowed.push(plugin.name)
    nodeNames = nodeNames ? nodeNames.intersection(prepared.nodeNames) : prepared.nodeNames
    if (nodeNames.size === 0) {
      const reason = `node(s) didn't satisfy plugin(s) [${narrowed.toSorted().join(' ')}] simultaneously`
      return { filters: undefined, plugin: plugin.name, refusal: { reasons: [reason], forGood: true } }
    }
  }
  return { filters, nodeNames, narrowed }
}

interface Search {
  readonly pod: PodInfo
  readonly snapshot: Snapshot
  readonly filters: readonly ActiveFilter[]
  /** What nodes remember their answers by. */
  readonly kind: number
}

function findFeasible(
  { pod, snapshot, filters, kind }: Search,
  list: readonly NodeInfo[],
  wanted: number,
  start: number,
): { feasible: NodeInfo[]; verdicts: Verdicts; looked: number } {
  const feasible: NodeInfo[] = []
  const verdicts = createVerdicts()
  const isElsewhere = filters.findIndex(({ plugin }) => !plugin.isLocal)
  const local = isElsewhere < 0 ? filters : filters.slice(0, isElsewhere)
  const others = filters.slice(local.length)
  const isWhole = list === snapshot.nodes
  const table = isWhole ? snapshot.refusalTables.get(kind) : undefined
  const refused: Verdict[] = []
  const isFeasible = (node: NodeInfo): boolean => {
    // Room that was promised to others counts as taken; the pod's own promise does not.
    const nominated = snapshot.nominated(node.name)
    const isAlone = nominated.length === 0
    const stands = isAlone || (others.length === 0 && nominated.every(({ uid }) => uid !== pod.uid))
    const standing = stands ? filterRemembered(pod, node, local, snapshot, kind) : undefined
    if (standing) {
      if (table) table.refuse(node, standing)
      else refused.push(standing)
      return false
    }
    const verdict = stands ? filterNode(pod, node, others) : filterWithNominated(pod, node, filters, snapshot)
    if (verdict) verdicts.add(verdict)
    return verdict === undefined
  }
  const candidates = table ? [...table.open] : list
  let looked = 0
  while (looked < candidates.length && feasible.length < wanted) {
    const node = candidates[(start + looked) % candidates.length]!
    looked++
    if (isFeasible(node)) feasible.push(node)
  }
  if (table) return { feasible, verdicts: bothVerdicts(table.refused, verdicts), looked }
  // Most nodes are of no use to this kind: the next pod of it looks at the others only.
  if (isWhole && looked === list.length && feasible.length < wanted && refused.length > 0)
    snapshot.refusalTables.set(kind, refused, new Set(list).difference(new Set(refused.map(({ node }) => node))))
  for (const verdict of refused) verdicts.add(verdict)
  return { feasible, verdicts, looked }
}

/** The first refusal by filters that look at the node alone, with what is promised on it: worked out once for all pods of a kind. */
function filterRemembered(
  pod: PodInfo,
  node: NodeInfo,
  local: readonly ActiveFilter[],
  snapshot: Snapshot,
  kind: number,
): Verdict | undefined {
  const memo = memoOf(node, kind)
  if (memo.refusal === undefined) memo.refusal = filterWithNominated(pod, node, local, snapshot) ?? null
  return memo.refusal ?? undefined
}

/** The first refusal of a node as it stands. */
export function filterNode(pod: PodInfo, node: NodeInfo, filters: readonly ActiveFilter[]): Verdict | undefined {
  for (const { plugin, state } of filters) {
    const refusal = plugin.filter(pod, node, state)
    if (refusal) return { node, plugin: plugin.name, refusal }
  }
  return undefined
}

/** Applies `shift` of every filter that has one. */
export function shiftAll(
  filters: readonly ActiveFilter[],
  pod: PodInfo,
  other: PodInfo,
  node: NodeInfo,
  sign: 1 | -1,
): void {
  for (const { plugin, state } of filters) plugin.shift?.(state, pod, other, node, sign)
}

/**
 * As {@link filterNode}, where pods of no lower priority were promised room: the pod must fit with them (they come) and
 * without them (they may not, and then nothing that it needs may hang on them).
 */
export function filterWithNominated(
  pod: PodInfo,
  node: NodeInfo,
  filters: readonly ActiveFilter[],
  snapshot: Snapshot,
): Verdict | undefined {
  const nominated = snapshot.nominated(node.name)
  if (nominated.length > 0) {
    const ahead = nominated.filter(
      (other) => other.uid !== pod.uid && other.priority >= pod.priority && !node.pods.has(other.uid),
    )
    if (ahead.length > 0) {
      const crowded = cloneNodeInfo(node)
      for (const other of ahead) {
        addPod(crowded, other)
        shiftAll(filters, pod, other, node, 1)
      }
      const verdict = filterNode(pod, crowded, filters)
      for (const other of ahead) shiftAll(filters, pod, other, node, -1)
      if (verdict) return { ...verdict, node }
    }
  }
  return filterNode(pod, node, filters)
}

const minFeasibleNodes = 100

/** How many fitting nodes are enough (upstream's numFeasibleNodesToFind). */
export function nodesToFind(percentage: number, nodeCount: number): number {
  if (nodeCount < minFeasibleNodes || percentage >= 100) return nodeCount
  const share = percentage > 0 ? percentage : Math.max(5, 50 - Math.floor(nodeCount / 125))
  return Math.max(minFeasibleNodes, Math.floor((nodeCount * share) / 100))
}

function best(
  pod: PodInfo,
  snapshot: Snapshot,
  profile: Profile,
  feasible: readonly NodeInfo[],
  chance: number,
): NodeInfo {
  if (feasible.length === 1) return feasible[0]!
  const totals = new Float64Array(feasible.length)
  const local = profile.scores.filter(({ plugin }) => plugin.isLocal)
  const kind = memoKind(profile.name, pod)
  for (let index = 0; index < totals.length; index++) {
    const node = feasible[index]!
    const memo = memoOf(node, kind)
    totals[index] = memo.score ??= localScore(pod, node, snapshot, local)
  }
  const others = profile.scores.filter(({ plugin }) => !plugin.isLocal)
  for (const { weight, scores } of scoreNodes(pod, snapshot, others, feasible))
    for (let index = 0; index < totals.length; index++) totals[index]! += scores[index]! * weight
  let highest = -Infinity
  let ties: NodeInfo[] = []
  for (let index = 0; index < totals.length; index++) {
    if (totals[index]! > highest) {
      highest = totals[index]!
      ties = []
    }
    if (totals[index] === highest) ties.push(feasible[index]!)
  }
  return ties[Math.min(ties.length - 1, Math.floor(chance * ties.length))]!
}

function localScore(pod: PodInfo, node: NodeInfo, snapshot: Snapshot, local: readonly WeightedScore[]): number {
  let sum = 0
  for (const { plugin, weight } of local) {
    const state = plugin.prepare(pod, snapshot, [node])
    if (state !== undefined) sum += bounded(plugin.score(pod, node, state)) * weight
  }
  return sum
}

const bounded = (score: number): number => Math.min(maxScore, Math.max(0, score))

export interface PluginScores {
  readonly name: string
  readonly weight: number
  /** As the plugin gave them. */
  readonly raw: readonly number[]
  /** 0…100, one a node. */
  readonly scores: readonly number[]
}

/** The scores of all plugins that tell the nodes apart. */
export function scoreNodes(
  pod: PodInfo,
  snapshot: Snapshot,
  plugins: readonly WeightedScore[],
  feasible: readonly NodeInfo[],
): PluginScores[] {
  const result: PluginScores[] = []
  for (const { plugin, weight } of plugins) {
    const state = plugin.prepare(pod, snapshot, feasible)
    if (state === undefined) continue
    const raw = feasible.map((node) => plugin.score(pod, node, state))
    const scores = plugin.normalize ? plugin.normalize(raw, state, feasible) : raw
    result.push({
      name: plugin.name,
      weight,
      raw,
      scores: scores.map(bounded),
    })
  }
  return result
}
