import type { KubeObject } from '../api/object.ts'
import { checkAlways } from './invariants.ts'
import { createObject, scenarioCluster, simulatedAuthority } from './scenario-cluster.ts'
import { StoryTeller } from './story-teller.ts'
import type { SimulatedCluster } from './simulated-cluster.ts'
import { peerOf } from './simulated-node.ts'

/** Something that happens to the cluster; `atMs` counts from the moment at which the manifests were applied. */
export type ScenarioStep =
  | { readonly atMs: number; readonly do: 'partition'; readonly groups: readonly (readonly string[])[] }
  | { readonly atMs: number; readonly do: 'heal' }
  | { readonly atMs: number; readonly do: 'kill' | 'start' | 'pause' | 'resume'; readonly node: string }

export interface Scenario {
  readonly manifests: readonly KubeObject[]
  readonly nodes: number
  readonly steps: readonly ScenarioStep[]
  readonly seed: number
  /** How long to watch, from the moment at which the manifests were applied. */
  readonly forMs: number
}

const tickMs = 100

/**
 * Lets manifests go through failures on a cluster of production code in virtual time, and tells what happens, a line
 * an event. The same scenario and seed tell the same. Throws when a manifest is refused.
 */
export async function* simulate(scenario: Scenario): AsyncGenerator<string> {
  const { seed, nodes } = scenario
  const { cluster, running, ledger } = scenarioCluster({ seed, nodes, ...(await simulatedAuthority()) })
  try {
    await cluster.form()
    await cluster.time.advance(10_000)
    const startMs = cluster.time.nowMs
    const teller = new StoryTeller(cluster, running, ledger)
    yield* teller.tell()
    const first = running.values().next().value
    if (!first) throw new Error('no node is up')
    for (const object of scenario.manifests) await cluster.settled(createObject(first, object))
    yield teller.line(`${scenario.manifests.length} objects applied`)
    const steps = scenario.steps.toSorted((a, b) => a.atMs - b.atMs)
    while (cluster.time.nowMs - startMs < scenario.forMs) {
      await cluster.time.advance(tickMs)
      while (steps[0] && steps[0].atMs <= cluster.time.nowMs - startMs) {
        const step = steps.shift()
        if (step) yield teller.line(take(cluster, step))
      }
      checkAlways(cluster)
      yield* teller.tell()
    }
    yield* teller.summary()
  } finally {
    cluster.end()
  }
}

/** Does what a step says, and says it. */
function take(cluster: SimulatedCluster, step: ScenarioStep): string {
  if (step.do === 'heal') {
    cluster.network.mend()
    return 'the network is whole again'
  }
  if (step.do === 'partition') {
    const groups = step.groups.map((names) => names.map((name) => nodeNamed(cluster, name).peer))
    for (const group of groups) {
      for (const other of groups) {
        if (group === other) continue
        for (const from of group) for (const to of other) cluster.network.cut(from, to, 'partition')
      }
    }
    return `the network is cut: ${step.groups.map((names) => names.join(',')).join(' | ')}`
  }
  const node = nodeNamed(cluster, step.node)
  if (step.do === 'kill') cluster.kill(node)
  else if (step.do === 'start') cluster.start(node)
  else if (step.do === 'pause') node.life?.clock.pause()
  else node.life?.clock.resume()
  const said = { kill: 'loses power', start: 'is switched on', pause: 'hangs', resume: 'goes on' }
  return `${step.node} ${said[step.do]}`
}

function nodeNamed(cluster: SimulatedCluster, name: string) {
  const node = cluster.nodes.find((one) => one.name === name || one.peer === peerOf(Number(name)))
  if (!node)
    throw new Error(`there is no node ${name}: they are called ${cluster.nodes.map((one) => one.name).join(', ')}`)
  return node
}
