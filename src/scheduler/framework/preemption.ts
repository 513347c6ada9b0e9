import type { PodDisruptionBudget } from '../../api/kinds.ts'
import { labelSelectorRequirements, matchesLabels } from '../../lib/selector.ts'
import { reasonsText } from './failure-message.ts'
import { type Profile, refuse, type Refusal, type Snapshot } from './framework.ts'
import { addPod, cloneNodeInfo, memoKind, memoOf, type NodeInfo, removePod, type Victims } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'
import {
  type ActiveFilter,
  type Diagnosis,
  filterNode,
  filterWithNominated,
  prepareFilters,
  shiftAll,
} from './schedule.ts'
import type { Verdicts } from './verdicts.ts'

/** Pods to remove from a node so that the pod fits. */
export interface Candidate {
  readonly node: NodeInfo
  /** The most important first. */
  readonly victims: readonly PodInfo[]
  /** How many of them a disruption budget wanted to keep. */
  readonly violations: number
}

export type Preemption =
  | { readonly candidate: Candidate }
  /** `message` goes into the event, with its prefix; `clearNomination`: the room promised before is of no use. */
  | { readonly candidate: undefined; readonly message: string; readonly clearNomination: boolean }

/** Candidates to try: a share of the nodes, but at least some (upstream's DefaultPreemptionArgs). */
const minCandidateShare = 0.1
const minCandidates = 100

/**
 * Finds the node where removing pods of lower priority does the least harm (upstream's DefaultPreemption). Pure;
 * `chance` (0…1) says where among the nodes to begin, so that not always the same ones are looked at.
 */
export function preempt(
  pod: PodInfo,
  snapshot: Snapshot,
  profile: Profile,
  diagnosis: Diagnosis,
  chance: number,
): Preemption {
  const obstacle = ineligibility(pod, snapshot, diagnosis)
  if (obstacle) return { candidate: undefined, message: `preemption: ${obstacle}`, clearNomination: false }
  const { nodeCount: count, verdicts } = diagnosis
  const nothing = (reasons: ReadonlyMap<Refusal, number>, helpless: number): Preemption => ({
    candidate: undefined,
    message: `preemption: 0/${count} nodes are available:${reasonsText(reasons, notHelpful, helpless)}`,
    clearNomination: true,
  })
  let hopeful = 0
  for (const [refusal, number] of verdicts.tally()) if (!refusal.forGood) hopeful += number
  const setup = hopeful === 0 ? undefined : prepareFilters(pod, snapshot, profile)
  if (!setup?.filters) return nothing(new Map(), count)
  const wanted = Math.min(hopeful, Math.max(minCandidates, Math.floor(hopeful * minCandidateShare)))
  const search = createSearch(pod, snapshot, profile, setup.filters, verdicts)
  const { best, refusals } = findLeastHarmful(search, wanted, chance)
  if (best) return { candidate: { node: best.node, victims: best.victims.pods, violations: best.victims.violations } }
  const refused = [...refusals.values()].reduce((sum, one) => sum + one, 0)
  return nothing(refusals, count - refused)
}

interface Search {
  readonly nodes: readonly NodeInfo[]
  /** Whether others going may let the pod in. */
  isHopeful(node: NodeInfo): boolean
  /** Why nodes that are not among those are known to be of no use. */
  readonly known: Iterable<Refusal>
  /** Whom the pod would drive out of the node. What was worked out for a pod of its kind before is taken. */
  victimsOn(node: NodeInfo): Victims | Refusal
}

function createSearch(
  pod: PodInfo,
  snapshot: Snapshot,
  profile: Profile,
  filters: readonly ActiveFilter[],
  verdicts: Verdicts,
): Search {
  const budgets = snapshot.disruptionBudgets()
  const kind = memoKind(profile.name, pod)
  const isLocal = budgets.length === 0 && filters.every(({ plugin }) => plugin.isLocal)
  const table = isLocal ? snapshot.refusalTables.get(kind) : undefined
  const isHopeful = (node: NodeInfo): boolean => verdicts.of(node)?.refusal.forGood === false
  return {
    nodes: table ? [...table.hopeful, ...[...table.open].filter(isHopeful)] : snapshot.nodes,
    isHopeful: table ? () => true : isHopeful,
    // Those that this search gives up come after them, and are counted as they are found.
    known: table ? table.hopeless.values().take(table.hopeless.size) : [],
    victimsOn(node) {
      // Its own promise does not stand in a pod's way, but in that of others of its kind.
      const isShared = isLocal && snapshot.nominated(node.name).every(({ uid }) => uid !== pod.uid)
      if (!isShared) return victimsOn(node, pod, snapshot, filters, budgets)
      const found = (memoOf(node, kind).victims ??= victimsOn(node, pod, snapshot, filters, budgets))
      if ('reasons' in found) table?.giveUp(node, found)
      return found
    },
  }
}

/** Looks at nodes until enough candidates are found, one of which violates no budget; `chance` says where to begin. */
function findLeastHarmful({ nodes, isHopeful, known, victimsOn }: Search, wanted: number, chance: number) {
  const refusals = new Map<Refusal, number>()
  const count = (refusal: Refusal): void => void refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1)
  const offset = Math.floor(chance * nodes.length)
  let candidates = 0
  let best: { node: NodeInfo; victims: Victims } | undefined
  let hasHarmless = false
  for (let step = 0; step < nodes.length && !(hasHarmless && candidates >= wanted); step++) {
    const node = nodes[(offset + step) % nodes.length]!
    if (!isHopeful(node)) continue
    const found = victimsOn(node)
    if ('reasons' in found) count(found)
    else {
      candidates++
      hasHarmless ||= found.violations === 0
      if (!best || harmsLess(found.rank, best.victims.rank)) best = { node, victims: found }
    }
  }
  if (!best) for (const refusal of known) count(refusal)
  return { best, refusals }
}

const notHelpful = refuse('Preemption is not helpful for scheduling', true)
const noVictims = refuse('No preemption victims found for incoming pod', true)

function ineligibility(pod: PodInfo, snapshot: Snapshot, diagnosis: Diagnosis): string | undefined {
  if (pod.pod.spec?.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.'
  const nominated = pod.pod.status?.nominatedNodeName
  if (!nominated) return undefined
  // Where the promised node turned out never to fit, another one may be emptied.
  const node = snapshot.node(nominated)
  if (node && diagnosis.verdicts.of(node)?.refusal.forGood) return undefined
  const isWaiting = [...(node?.pods.values() ?? [])].some(
    (other) => other.isTerminating && other.priority < pod.priority,
  )
  return isWaiting ? 'not eligible due to a terminating pod on the nominated node.' : undefined
}

/** The fewest pods of lower priority whose going lets the pod in, or why that is not to be had. */
export function victimsOn(
  node: NodeInfo,
  pod: PodInfo,
  snapshot: Snapshot,
  filters: readonly ActiveFilter[],
  budgets: readonly PodDisruptionBudget[],
): Victims | Refusal {
  const lower = [...node.pods.values()].filter((other) => other.priority < pod.priority)
  if (lower.length === 0) return noVictims
  const trial = cloneNodeInfo(node)
  const gone = new Set<PodInfo>()
  const take = (other: PodInfo): void => {
    removePod(trial, other.uid)
    shiftAll(filters, pod, other, node, -1)
    gone.add(other)
  }
  const giveBack = (other: PodInfo): void => {
    addPod(trial, other)
    shiftAll(filters, pod, other, node, 1)
    gone.delete(other)
  }
  for (const other of lower) take(other)
  try {
    const refused = filterWithNominated(pod, trial, filters, snapshot)
    if (refused) return refused.refusal
    const { violating, others } = byBudget(lower.toSorted(byImportance), budgets)
    let violations = 0
    const keep = (other: PodInfo): boolean => {
      giveBack(other)
      if (!filterNode(pod, trial, filters)) return true
      take(other)
      return false
    }
    for (const other of violating) if (!keep(other)) violations++
    for (const other of others) keep(other)
    const victims = [...gone].toSorted(byImportance)
    return { pods: victims, violations, rank: rankOf(victims, violations) }
  } finally {
    for (const other of gone) shiftAll(filters, pod, other, node, 1)
  }
}

const startOf = ({ pod }: PodInfo): number => (pod.status?.startTime ? Date.parse(pod.status.startTime) : Infinity)

/** Higher priority, then longer running, first. */
function byImportance(a: PodInfo, b: PodInfo): number {
  if (a.priority !== b.priority) return b.priority - a.priority
  const [startA, startB] = [startOf(a), startOf(b)]
  return startA === startB ? 0 : startA - startB
}

/** Tells apart the pods that a budget would not let go, counting each against it in order of importance. */
function byBudget(
  pods: readonly PodInfo[],
  budgets: readonly PodDisruptionBudget[],
): { violating: PodInfo[]; others: PodInfo[] } {
  if (budgets.length === 0) return { violating: [], others: [...pods] }
  const violating: PodInfo[] = []
  const others: PodInfo[] = []
  const left = new Map<PodDisruptionBudget, number>()
  for (const pod of pods) {
    let violates = false
    for (const budget of budgets) {
      if (budget.metadata.namespace !== pod.namespace) continue
      const requirements = labelSelectorRequirements(budget.spec?.selector)
      if (!requirements || requirements.length === 0 || !matchesLabels(requirements, pod.labels)) continue
      // One that is being disrupted has been counted.
      if (budget.status?.disruptedPods?.[pod.pod.metadata.name ?? ''] !== undefined) continue
      const allowed = (left.get(budget) ?? budget.status?.disruptionsAllowed ?? 0) - 1
      left.set(budget, allowed)
      if (allowed < 0) violates = true
    }
    ;(violates ? violating : others).push(pod)
  }
  return { violating, others }
}

/** So that many victims of low priority weigh more than none: upstream shifts priorities above zero the same way. */
const prioritySpan = 2 ** 31

/** Whether the first rank comes before the second; the same is not less. */
function harmsLess(a: readonly number[], b: readonly number[]): boolean {
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return a[at]! < b[at]!
  return false
}

/** Fewer violations, lower highest priority, lower sum of priorities, fewer victims, later start of the highest. */
function rankOf(victims: readonly PodInfo[], violations: number): number[] {
  const highest = victims[0]?.priority ?? -Infinity
  const sum = victims.reduce((total, { priority }) => total + priority + prioritySpan, 0)
  const starts = victims.filter(({ priority }) => priority === highest).map(startOf)
  return [violations, highest, sum, victims.length, -Math.min(...starts)]
}
