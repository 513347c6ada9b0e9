import type { FilterPlugin, Refusal } from '../framework/framework.ts'
import type { NodeInfo } from '../framework/node-info.ts'
import type { PodInfo } from '../framework/pod-info.ts'
import { resourcesOf } from '../framework/resources.ts'

type Amounts = readonly (readonly [name: string, amount: number])[]

/** Refuses a node whose allocatable resources, pods among them, do not hold what the pod asks for. */
export const nodeResourcesFit: FilterPlugin<Amounts> = {
  name: 'NodeResourcesFit',
  prepare: ({ requests }) => ({ state: [...requests] }),
  filter(_pod, node, requests) {
    let isFull = node.pods.size + 1 > (node.allocatable.get('pods') ?? 0)
    for (const [name, amount] of requests) {
      if (isFull) break
      isFull = amount > (node.allocatable.get(name) ?? 0) - (node.requested.get(name) ?? 0)
    }
    return isFull ? shortage(node, requests) : undefined
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

function shortage(node: NodeInfo, requests: Amounts): Refusal {
  const reasons: string[] = []
  let forGood = false
  if (node.pods.size + 1 > (node.allocatable.get('pods') ?? 0)) reasons.push('Too many pods')
  for (const [name, amount] of requests) {
    const allocatable = node.allocatable.get(name) ?? 0
    if (amount <= allocatable - (node.requested.get(name) ?? 0)) continue
    reasons.push(`Insufficient ${name}`)
    // More than the node ever has.
    if (amount > allocatable) forGood = true
  }
  const key = `${forGood}${reasons.join('|')}`
  const known = refusals.get(key)
  if (known) return known
  if (refusals.size >= maxRefusals) refusals.clear()
  const refusal = { reasons, forGood }
  refusals.set(key, refusal)
  return refusal
}
