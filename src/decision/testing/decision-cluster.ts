import { errors } from '../../api/status-error.ts'
import { silentLogger } from '../../lib/log.ts'
import { seededRandom } from '../../lib/seeded-random.ts'
import type { WireRange } from '../../mesh/wire-range.ts'
import type { DecidedObject, DecidedSink, ObjectEntry, ObjectProposal } from '../../store/decided.ts'
import { initCluster } from '../bootstrap.ts'
import { createDecisionLog } from '../create-decision-log.ts'
import type { DecisionLogConfig } from '../decision-log-config.ts'
import type { DecisionLog } from '../decision-log.ts'
import { createMemoryLogStorage, type MemoryLogStorage } from '../memory-log-storage.ts'
import { wantedVoters } from '../voter-plan.ts'
import { VirtualClock } from '../../lib/testing/virtual-clock.ts'
import { VirtualNetwork } from './virtual-network.ts'

/** A store reduced to what the log asks of it. */
export class RecordingSink implements DecidedSink {
  readonly objects = new Map<string, DecidedObject>()
  /** `uid@index`, as handed over. */
  readonly history: string[] = []
  readonly gone = new Set<string>()
  #stamps = 0

  judge(proposal: ObjectProposal): ObjectEntry {
    const { op, key, uid, fields, expected } = proposal
    const index = this.objects.get(uid)?.index ?? 0
    if (expected && expected.decidedIndex !== index) throw errors.conflict(key, key.name, 'judged to be stale')
    const highest = [...this.objects.values()].flatMap((one) => [...one.fields.values()].map((field) => field.stamp))
    this.#stamps = Math.max(this.#stamps, ...highest.map(Number)) + 1
    const stamp = String(this.#stamps).padStart(12, '0')
    return { op, key, uid, fields, stamp, ...(expected ? { expectedIndex: index } : {}) }
  }

  applyDecided(objects: Iterable<DecidedObject>): void {
    for (const object of objects) {
      this.objects.set(object.uid, object)
      this.history.push(`${object.uid}@${object.index}`)
    }
  }

  isGone(uid: string): boolean {
    return this.gone.has(uid)
  }
}

export interface TestNode {
  readonly name: string
  readonly peer: string
  readonly storage: MemoryLogStorage
  sink: RecordingSink
  log: DecisionLog
  up: boolean
  used: Set<string>
  /** Terms in which it was told to lead, `+3`, and to stop, `-3`. */
  led: string[]
}

/** Decision logs of several nodes in one process, under virtual time. */
export class DecisionCluster {
  readonly clock = new VirtualClock()
  readonly random: () => number
  readonly network: VirtualNetwork
  readonly nodes = new Map<string, TestNode>()
  readonly #config: Partial<DecisionLogConfig>

  constructor(seed: number, config: Partial<DecisionLogConfig> = {}) {
    this.random = seededRandom(seed).next
    this.network = new VirtualNetwork(this.clock, this.random)
    this.#config = config
  }

  /** A cluster of `count` nodes n1, n2, …, joined one after the other, voters settled. */
  static async of(count: number, seed = 1, config: Partial<DecisionLogConfig> = {}): Promise<DecisionCluster> {
    const cluster = new DecisionCluster(seed, config)
    for (let number = 1; number <= count; number++) await cluster.join(`n${number}`)
    await cluster.settle()
    return cluster
  }

  node(name: string): TestNode {
    const node = this.nodes.get(name)
    if (!node) throw new Error(`no node ${name}`)
    return node
  }

  get up(): TestNode[] {
    return [...this.nodes.values()].filter((node) => node.up)
  }

  get leader(): TestNode | undefined {
    return this.up.find((node) => node.log.status().isLeader)
  }

  /** The first one makes the cluster, the others are added through it, and start with an empty disk. */
  async join(name: string, zone = ''): Promise<TestNode> {
    const peer = `peer-${name}`
    const member = { node: name, peer, addresses: [], apiUrl: `https://${name}:6443`, zone }
    const storage = createMemoryLogStorage(() => new Promise((resolve) => this.clock.after(1, resolve)))
    const first = this.nodes.size === 0
    if (first) await this.run(initCluster(storage, member))
    else await this.command({ type: 'member-add', member })
    this.nodes.set(name, { name, peer, storage, up: false, used: new Set(), led: [] } as unknown as TestNode)
    await this.start(name)
    return this.node(name)
  }

  /** Proposes through a node, letting virtual time pass until the answer is there. */
  propose(node: string, proposal: ObjectProposal): Promise<{ index: number }> {
    return this.run(this.node(node).log.propose(proposal, {}))
  }

  /** `speaks`: of the release that it starts with. */
  async start(name: string, speaks?: WireRange): Promise<void> {
    const node = this.node(name)
    const mesh = this.network.join(node.peer)
    node.sink = new RecordingSink()
    node.log = createDecisionLog({
      mesh,
      storage: node.storage,
      sink: node.sink,
      clock: this.clock,
      random: {
        next: this.random,
        bytes: (length) => Uint8Array.from({ length }, () => Math.floor(this.random() * 256)),
      },
      logger: silentLogger,
      self: { node: name, peer: node.peer },
      inUse: (value) => node.used.has(value),
      bootstrapPeers: () => ['peer-n1', 'peer-n2'],
      config: this.#config,
      ...(speaks ? { speaks } : {}),
    })
    node.log.onLeadership((term, signal) => {
      node.led.push(`+${term}`)
      signal.addEventListener('abort', () => node.led.push(`-${term}`))
    })
    node.up = true
    await this.run(node.log.start())
  }

  /** Pulls the plug: nothing that is not on disk survives, nothing more is sent. */
  kill(name: string): void {
    const node = this.node(name)
    node.up = false
    node.storage.crash()
    this.network.leave(node.peer)
    const dead = node.log
    // What still runs of it talks to nobody; its timers must not fill the clock for ever.
    void dead.stop().catch(() => {})
  }

  async stop(name: string): Promise<void> {
    const node = this.node(name)
    await this.run(node.log.stop())
    node.up = false
    this.network.leave(node.peer)
  }

  /** Lets time pass until the promise is settled. */
  async run<Value>(promise: Promise<Value>, limitMs = 60_000): Promise<Value> {
    let settled = false
    const done = promise.finally(() => {
      settled = true
    })
    done.catch(() => {})
    await this.clock.until(() => settled, limitMs, 'promise settled')
    return done
  }

  command(command: Parameters<DecisionLog['command']>[0], through = this.up[0]): Promise<unknown> {
    if (!through) throw new Error('no node is up')
    return this.run(through.log.command(command))
  }

  /** Until there is a leader, the voters are as many as they should be, and everybody has applied everything. */
  async settle(limitMs = 60_000): Promise<void> {
    await this.clock.pass(2_000)
    await this.clock.until(
      () => {
        const leader = this.leader
        if (!leader) return false
        const { commitIndex, voters } = leader.log.status()
        if (voters.length < wantedVoters(leader.log.members().length)) return false
        return this.up.every((node) => node.log.status().appliedIndex === commitIndex)
      },
      limitMs,
      'everybody has applied everything',
    )
  }
}

let uids = 0

/** A decided create of a Lease. */
export function create(name: string, uid = `uid-${uids++}`): ObjectProposal {
  const key = { group: 'coordination.k8s.io', resource: 'leases', namespace: 'default', name }
  return { op: 'create', key, uid, fields: { 'spec.holderIdentity': 'nobody' } }
}

/** A decided update, optionally only if the object still has this decided index. */
export function update(of: ObjectProposal, holder: string, decidedIndex?: number): ObjectProposal {
  return {
    ...of,
    op: 'update',
    fields: { 'spec.holderIdentity': holder },
    ...(decidedIndex === undefined ? {} : { expected: { documentDigest: '', decidedIndex } }),
  }
}
