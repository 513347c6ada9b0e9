import { serviceNameLabel } from '../api/endpoint-slice.ts'
import type { EndpointSlice, Node, Pod, Service } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { PodLedger } from './pod-ledger.ts'
import type { ScenarioNode } from './scenario-node.ts'
import type { SimulatedCluster } from './simulated-cluster.ts'
import type { SimulatedNode } from './simulated-node.ts'

/** Notices what changed since the last look: what the leader's replica shows, or without one that of most nodes, and what runs. */
export class StoryTeller {
  readonly #cluster: SimulatedCluster
  readonly #running: ReadonlyMap<string, ScenarioNode>
  readonly #ledger: PodLedger
  readonly #startMs: number
  readonly #told = new Map<string, string>()
  /** Pods that ran at the last look, by uid: name and node. */
  #ran = new Map<string, { name: string; node: string }>()
  /** Fewest pods that any running node reached behind a Service, since it first reached one. */
  readonly #leastAnswering = new Map<string, number>()
  #leaderlessMs = 0
  #lastLookMs: number
  #conflicts = 0
  #problems = 0

  constructor(cluster: SimulatedCluster, running: ReadonlyMap<string, ScenarioNode>, ledger: PodLedger) {
    this.#cluster = cluster
    this.#running = running
    this.#ledger = ledger
    this.#startMs = cluster.time.nowMs
    this.#lastLookMs = cluster.time.nowMs
  }

  line(text: string): string {
    return `${((this.#cluster.time.nowMs - this.#startMs) / 1000).toFixed(1).padStart(7)}s  ${text}`
  }

  *tell(): Generator<string> {
    yield* this.#tellLeader()
    yield* this.#tellMachines()
    const view = this.#viewOf(this.#cluster.leader)
    if (view) yield* this.#tellObjects(view)
    yield* this.#tellServices()
    yield* this.#tellTrouble()
  }

  *#tellLeader(): Generator<string> {
    const { leader, time } = this.#cluster
    if (!leader) this.#leaderlessMs += time.nowMs - this.#lastLookMs
    this.#lastLookMs = time.nowMs
    yield* this.#say(
      'leader',
      leader
        ? `${leader.name} leads in term ${leader.life?.decisions.status().term}`
        : 'nobody leads: no part has a majority of the voters that hears a leader; ' +
            'nothing is scheduled, bound or moved, plain writes go on',
    )
  }

  /** What the machines do by themselves, whatever the leader knows of it. */
  *#tellMachines(): Generator<string> {
    const runs = new Map(this.#ledger.all().map(({ uid, name, node }) => [uid, { name, node }]))
    const isUp = (name: string) => this.#cluster.nodes.some((node) => node.name === name && node.isRunning)
    for (const [uid, { name, node }] of this.#ran) {
      if (!runs.has(uid) && isUp(node) && !this.#isLedFor(node)) {
        yield this.line(`${node} stops pod ${name}: it has no lease to run it alone`)
      }
    }
    this.#ran = runs
  }

  /** Whether the node and the leader hear each other. */
  #isLedFor(name: string): boolean {
    const { leader, network, nodes } = this.#cluster
    const node = nodes.find((one) => one.name === name)
    return leader !== undefined && node !== undefined && (node === leader || network.linked(node.peer, leader.peer))
  }

  *#tellObjects(view: ScenarioNode): Generator<string> {
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

  /** Where each Service leads, on every node: the parts of a cut cluster differ, and not all that is listed answers. */
  *#tellServices(): Generator<string> {
    const told = new Map<string, Map<string, string[]>>()
    for (const node of this.#cluster.nodes) {
      const view = node.isUp ? this.#running.get(node.name) : undefined
      if (!view) continue
      for (const [service, addresses] of endpointsOf(view)) {
        const answering = addresses.filter((ip) => this.#answers(ip, node)).length
        const text =
          answering === addresses.length ? `${answering}` : `${addresses.length}, of which ${answering} answer`
        const byText = told.get(service) ?? new Map<string, string[]>()
        told.set(service, byText)
        byText.set(text, [...(byText.get(text) ?? []), node.name])
        const least = this.#leastAnswering.get(service)
        if (least !== undefined || answering > 0) {
          this.#leastAnswering.set(service, Math.min(least ?? Infinity, answering))
        }
      }
    }
    for (const [service, byText] of told) {
      const parts = [...byText].map(([text, names]) => (byText.size === 1 ? text : `${names.join(',')}: ${text}`))
      yield* this.#say(`service ${service}`, `service ${service} leads to ready pods: ${parts.join('; ')}`)
    }
  }

  /** Whether a pod of that address runs where the node reaches it. */
  #answers(ip: string, from: SimulatedNode): boolean {
    const { nodes, network } = this.#cluster
    const pod = this.#ledger.all().find((one) => one.ip === ip)
    const host = pod && nodes.find(({ name }) => name === pod.node)
    return host !== undefined && (host === from || network.linked(host.peer, from.peer))
  }

  *#tellTrouble(): Generator<string> {
    const { conflicts, problems } = this.#cluster.records
    for (const { key, field, loserNode } of conflicts.slice(this.#conflicts)) {
      const what = `${key.resource} ${key.namespace ? `${key.namespace}/` : ''}${key.name}`
      yield this.line(`conflict: ${loserNode}'s ${field ? `value of ${field} of ` : ''}${what} did not count`)
    }
    this.#conflicts = conflicts.length
    for (const { invariant, what } of problems.slice(this.#problems)) yield this.line(`BROKEN ${invariant}: ${what}`)
    this.#problems = problems.length
  }

  *#say(id: string, text: string): Generator<string> {
    if (this.#told.get(id) === text) return
    this.#told.set(id, text)
    yield this.line(text)
  }

  /** The leader's view, or that of any node that is up. */
  #viewOf(leader: SimulatedNode | undefined): ScenarioNode | undefined {
    const node = leader ?? this.#cluster.nodes.find(({ isUp }) => isUp)
    return node && this.#running.get(node.name)
  }

  *summary(): Generator<string> {
    for (const { name, isUp } of this.#cluster.nodes) {
      const pods = (isUp && this.#running.get(name)?.informers.for<Pod>(refs.pods).list()) || []
      const ready = pods.filter(isReady)
      yield this.line(isUp ? `${name} sees ${pods.length} pods, ${ready.length} of them ready` : `${name} is down`)
    }
    if (this.#leaderlessMs > 0) yield this.line(`nobody led for ${(this.#leaderlessMs / 1000).toFixed(1)} s`)
    for (const [service, least] of this.#leastAnswering) {
      yield this.line(`service ${service}: at worst ${least} pods answered, seen from a node that was up`)
    }
    const { problems } = this.#cluster.records
    if (problems.length === 0) yield this.line('no pod of a StatefulSet ran twice, and no address was given twice')
  }
}

const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true

function stateOf(pod: Pod): string {
  const { metadata, spec, status } = pod
  const place = spec?.nodeName ? ` on ${spec.nodeName}` : ''
  const why = status?.reason ? ` (${status.reason})` : ''
  const phase = metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? 'Pending')
  return `${phase}${phase === 'Running' && !isReady(pod) ? ', not ready,' : ''}${place}${why}`
}

/** Ready addresses behind each Service with a selector, as a node's proxy has them. */
function endpointsOf({ informers }: ScenarioNode): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const { metadata, spec } of informers.for<Service>(refs.services).list()) {
    if (spec?.selector) found.set(`${metadata.namespace}/${metadata.name}`, [])
  }
  for (const { metadata, endpoints } of informers.for<EndpointSlice>(refs.endpointSlices).list()) {
    const service = `${metadata.namespace}/${metadata.labels?.[serviceNameLabel]}`
    const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false)
    found.get(service)?.push(...ready.flatMap(({ addresses }) => addresses))
  }
  return found
}
