import type { FilterPlugin, Refusal } from '../framework/framework.ts'
import type { NodeInfo } from '../framework/node-info.ts'
import type { PodInfo } from '../framework/pod-info.ts'
import { resourcesOf } from '../framework/resources.ts'

type Amounts = readonly (readonly [name: string, amount: number])[]

/** Refuses a node whose allocatable resources, pods among them, do not hold what the pod asks for. */
export const nodeResourcesFit: FilterPlugin<Amounts> = {
  name: 'NodeResourcesFit',
  isLocal: true,
  prepare: ({ others }) => ({ state: others }),
  filter(pod, node, others) {
    if (
      node.pods.size < node.maxPods &&
      pod.cpu <= Math.max(0, node.allocatableCpu - node.requestedCpu) &&
      pod.memory <= Math.max(0, node.allocatableMemory - node.requestedMemory) &&
      others.every(([name, amount]) => amount <= freeOf(name, node))
    )
      return undefined
    return shortage(pod, node)
  },
  mayHelp(pod, event) {
    switch (event.kind) {
      case 'node-added':
        return fitsEmpty(pod, resourcesOf(event.node.status?.allocatable))
      case 'node-updated':
        return event.changed.allocatable && fitsEmpty(pod, resourcesOf(event.node.status?.allocatable))
      case 'pod-removed':
        return true
      case 'pod-updated':
        return [...event.previous.requests].some(([name, amount]) => (event.pod.requests.get(name) ?? 0) < amount)
      default:
        return false
    }
  },
}

const fitsEmpty = (pod: PodInfo, allocatable: ReadonlyMap<string, number>): boolean =>
  [...pod.requests].every(([name, amount]) => amount <= (allocatable.get(name) ?? 0))

/** Nodes run short of the same few things: one refusal object each. */
const refusals = new Map<string, Refusal>()
const maxRefusals = 1024

/** What a pod that asks for none of it takes even of a node that is overfull: nothing. */
function freeOf(name: string, node: NodeInfo): number {
  const requested =
    name === 'cpu'
      ? node.requestedCpu
      : name === 'memory'
        ? node.requestedMemory
        : (node.requestedOthers.get(name) ?? 0)
  return Math.max(0, (node.allocatable.get(name) ?? 0) - requested)
}

function shortage({ requests }: PodInfo, node: NodeInfo): Refusal {
  const reasons: string[] = []
  let forGood = false
  if (node.pods.size >= node.maxPods) reasons.push('Too many pods')
  for (const [name, amount] of requests) {
    if (amount <= freeOf(name, node)) continue
    reasons.push(`Insufficient ${name}`)
    // More than the node ever has.
    if (amount > (node.allocatable.get(name) ?? 0)) forGood = true
  }
  const key = forGood ? `!${reasons.join('|')}` : reasons.join('|')
  const known = refusals.get(key)
  if (known) return known
  if (refusals.size >= maxRefusals) refusals.clear()
  const refusal = { reasons, forGood }
  refusals.set(key, refusal)
  return refusal
}
