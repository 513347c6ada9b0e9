import type { Node, Pod } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { isStatus } from '../api/status-error.ts'
import { refs } from '../client/client.ts'
import { openAuthority } from '../pki/certificate-authority.ts'
import { createClusterSecrets } from '../pki/cluster-secrets.ts'
import { fieldLayout } from '../schema/field-layout.ts'
import { loadBuiltinSchemas } from '../schema/graph.ts'
import { checkAlways } from './invariants.ts'
import { scenarioNode, type ScenarioNode } from './scenario-node.ts'
import { SimulatedCluster } from './simulated-cluster.ts'
import { peerOf } from './simulated-node.ts'
import { seededRandom } from '../lib/seeded-random.ts'

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
const epochMs = Date.UTC(2026, 5, 1)

/**
 * Lets manifests go through failures on a cluster of production code in virtual time, and tells what happens, a line
 * an event. The same scenario and seed tell the same. Throws when a manifest is refused.
 */
export async function* simulate(scenario: Scenario): AsyncGenerator<string> {
  const chance = seededRandom(scenario.seed)
  const secrets = await createClusterSecrets('simulated', epochMs, chance)
  const authority = await openAuthority(secrets.ca, chance)
  const graph = loadBuiltinSchemas()
  const running = new Map<string, ScenarioNode>()
  const cluster = new SimulatedCluster({
    seed: scenario.seed,
    nodes: scenario.nodes,
    layout: fieldLayout((ref) => {
      const catalogue = running.values().next().value?.catalogue
      const definition = catalogue?.preferred(ref)
      const stored = definition && catalogue?.storage(definition)
      return stored && ((stored as { schema?: ReturnType<typeof graph.get> }).schema ?? graph.get(stored.schemaName))
    }),
    onBoot: (node, life) => running.set(node.name, scenarioNode({ node, life, chance, secrets, authority })),
    onLead: (node, term, lost) => running.get(node.name)?.lead(term, lost),
  })
  try {
    await cluster.form()
    await cluster.time.advance(10_000)
    const startMs = cluster.time.nowMs
    const teller = new Teller(cluster, running, startMs)
    yield* teller.tell()
    await applyAll(cluster, running, scenario.manifests)
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
    for (const { invariant, what } of cluster.records.problems) yield teller.line(`BROKEN ${invariant}: ${what}`)
    yield* teller.summary()
  } finally {
    cluster.end()
  }
}

async function applyAll(
  cluster: SimulatedCluster,
  running: ReadonlyMap<string, ScenarioNode>,
  manifests: readonly KubeObject[],
): Promise<void> {
  const first = running.values().next().value
  if (!first) throw new Error('no node is up')
  for (const object of manifests) {
    const definition = first.catalogue
      .all()
      .find(
        ({ group, version, kind }) =>
          kind === object.kind && [group, version].filter(Boolean).join('/') === object.apiVersion,
      )
    if (!definition) throw new Error(`no matches for kind ${object.kind} in version ${object.apiVersion}`)
    const { name, namespace } = object.metadata
    const metadata = definition.namespaced ? { ...object.metadata, namespace: namespace ?? 'default' } : object.metadata
    let outcome: { error?: unknown } | undefined
    first.client.create(definition, { ...object, metadata }).then(
      () => (outcome = {}),
      (error: unknown) => (outcome = { error }),
    )
    if (!(await cluster.time.until(() => outcome !== undefined, 30_000))) throw new Error(`${name} was not answered`)
    if (outcome?.error && !isStatus(outcome.error, 'AlreadyExists')) throw outcome.error
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

/** Notices what changed since the last look, on whichever node it shows first. */
class Teller {
  readonly #cluster: SimulatedCluster
  readonly #running: ReadonlyMap<string, ScenarioNode>
  readonly #startMs: number
  readonly #told = new Map<string, string>()

  constructor(cluster: SimulatedCluster, running: ReadonlyMap<string, ScenarioNode>, startMs: number) {
    this.#cluster = cluster
    this.#running = running
    this.#startMs = startMs
  }

  line(text: string): string {
    return `${((this.#cluster.time.nowMs - this.#startMs) / 1000).toFixed(1).padStart(7)}s  ${text}`
  }

  *tell(): Generator<string> {
    const leader = this.#cluster.leader
    if (leader) yield* this.#say('leader', `${leader.name} leads in term ${leader.life?.decisions.status().term}`)
    const view = this.#view(leader?.name)
    if (!view) return
    for (const node of view.informers.for<Node>(refs.nodes).list()) {
      const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'Unknown'
      yield* this.#say(`node ${node.metadata.name}`, `node ${node.metadata.name} Ready=${ready}`)
    }
    const present = new Set<string>()
    for (const pod of view.informers.for<Pod>(refs.pods).list()) {
      const id = `pod ${pod.metadata.namespace}/${pod.metadata.name}`
      present.add(id)
      yield* this.#say(id, `${id} ${stateOf(pod)}`)
    }
    for (const id of this.#told.keys()) {
      if (!id.startsWith('pod ') || present.has(id)) continue
      this.#told.delete(id)
      yield this.line(`${id} is gone`)
    }
  }

  *#say(id: string, text: string): Generator<string> {
    if (this.#told.get(id) === text) return
    this.#told.set(id, text)
    yield this.line(text)
  }

  /** The leader's view, or that of any node that is up. */
  #view(leader: string | undefined): ScenarioNode | undefined {
    const node = this.#cluster.nodes.find(({ name, isUp }) => isUp && (leader === undefined || name === leader))
    return node && this.#running.get(node.name)
  }

  *summary(): Generator<string> {
    for (const { name, isUp } of this.#cluster.nodes) {
      const pods = (isUp && this.#running.get(name)?.informers.for<Pod>(refs.pods).list()) || []
      const ready = pods.filter(({ status }) =>
        status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'),
      )
      yield this.line(isUp ? `${name} sees ${pods.length} pods, ${ready.length} of them ready` : `${name} is down`)
    }
  }
}

function stateOf({ metadata, spec, status }: Pod): string {
  const place = spec?.nodeName ? ` on ${spec.nodeName}` : ''
  return `${metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? 'Pending')}${place}`
}
