import { initCluster } from '../decision/bootstrap.ts'
import type { Member } from '../decision/cluster-state.ts'
import type { DecisionLogConfig } from '../decision/decision-log-config.ts'
import type { Random } from '../lib/clock.ts'
import { digestText } from '../store/digest.ts'
import type { FieldLayout } from '../store/store.ts'
import { SimulatedNetwork } from './network.ts'
import { NodeReads } from './reads.ts'
import { Records } from './records.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { peerOf, SimulatedNode, type Life } from './simulated-node.ts'
import { seededRandom } from '../lib/seeded-random.ts'
import { VirtualTime } from './virtual-time.ts'
import { WatchObserver } from './watch-observer.ts'

/**
 * Few entries, so that snapshots and cut-off logs are met within a short run, and few addresses in reserve, so that they
 * are used up; and half as many ticks for the same election timeout, as these are half of what a run costs.
 */
const config: Partial<DecisionLogConfig> = {
  snapshotEveryEntries: 30,
  trailingEntries: 5,
  tickMs: 100,
  electionTicks: 9,
  reservedClusterIps: 8,
}
const formLimitMs = 60_000
/** A cluster is at rest once all nodes have shown the same for so long. */
const calmMs = 1_500

export interface ClusterOptions {
  seed: number
  nodes: number
  layout: FieldLayout
  onBoot?(node: SimulatedNode, life: Life): void
  /** The process of the node has ended, and with it the machine. */
  onEnd?(node: SimulatedNode): void
  onLead?(node: SimulatedNode, term: number, lost: AbortSignal): void
}

/** N nodes of production code in one process, under virtual time, with everything recorded that they answered. */
export class SimulatedCluster {
  readonly time = new VirtualTime()
  readonly chance: Random
  readonly network: SimulatedNetwork
  readonly nodes: SimulatedNode[] = []
  readonly records = new Records()
  /** Effects that each fault had. */
  readonly hits = new Map<string, number>()
  /** Clients stop waiting for decided writes after a moment. */
  clientsGiveUp = false
  /** Clients send the same write twice. */
  clientsRepeat = false
  readonly #options: ClusterOptions
  readonly #rotten = new Set<string>()
  #members: Member[] = []

  constructor(options: ClusterOptions) {
    this.#options = options
    this.chance = seededRandom(options.seed)
    this.network = new SimulatedNetwork(this.time, this.chance, (fault) => this.hit(fault))
  }

  hit(fault: string): void {
    this.hits.set(fault, (this.hits.get(fault) ?? 0) + 1)
  }

  /** Makes the cluster on the first node and lets the others join. Throws when they do not come together. */
  async form(): Promise<void> {
    for (let number = 1; number <= this.#options.nodes; number += 1) {
      const node = this.#machine(number)
      const member = { node: node.name, peer: node.peer, addresses: [], apiUrl: `https://${node.name}:6443`, zone: '' }
      if (number === 1) {
        this.#members.push(await this.settled(initCluster(node.disk.log, member)))
      } else {
        const through = this.nodes[0]?.life?.decisions
        if (!through) throw new Error('the first node is not up')
        this.#members.push((await this.settled(through.command({ type: 'member-add', member }))) as Member)
      }
      this.nodes.push(node)
      await this.settled(node.start())
    }
    const isFormed = () =>
      this.leader !== undefined &&
      this.nodes.every(({ life }) => life?.decisions.members().length === this.nodes.length)
    if (!(await this.time.until(isFormed, formLimitMs))) throw new Error('the simulated cluster did not form')
    await this.time.advance(1_500)
  }

  #machine(number: number): SimulatedNode {
    const disk = new SimulatedDisk(this.time, this.chance, (fault) => this.hit(fault))
    const node: SimulatedNode = new SimulatedNode({
      name: `n${number}`,
      number,
      time: this.time,
      network: this.network,
      chance: this.chance,
      disk,
      layout: this.#options.layout,
      config,
      knownMembers: () =>
        this.#members.length > 0 ? this.#members : [{ peer: peerOf(number), node: `n${number}`, addresses: [] }],
      onConflict: (conflict) => this.records.conflicts.push(conflict),
      onLead: (term, lost) => {
        this.records.noteLeader(term, node.name)
        this.#options.onLead?.(node, term, lost)
      },
      onEnd: () => this.#options.onEnd?.(node),
      onBoot: (life) => {
        this.records.observers.push(this.#observer(node, life))
        this.records.reads.push(new NodeReads(node.name, life.store, this.records.problem))
        this.#options.onBoot?.(node, life)
      },
    })
    return node
  }

  #observer({ name }: SimulatedNode, { store, clock }: Life): WatchObserver {
    return new WatchObserver({ node: name, store, clock, problem: this.records.problem })
  }

  /** Lets time pass until the work is done. Throws when it takes longer than a minute. */
  async settled<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const done = work.finally(() => (isDone = true))
    done.catch(() => undefined)
    if (!(await this.time.until(() => isDone, formLimitMs))) throw new Error('the simulated cluster hangs')
    return done
  }

  get leader(): SimulatedNode | undefined {
    return this.nodes.find(({ life }) => life?.decisions.status().isLeader)
  }

  kill(node: SimulatedNode, isTorn = false): void {
    this.records.observers = this.records.observers.filter((one) => !one.isOf(node.life?.store))
    node.kill(isTorn)
  }

  start(node: SimulatedNode): void {
    node.start().catch((error: unknown) => {
      if (String(error).includes('no space left')) {
        node.kill()
        this.time.after(1_000, () => this.start(node))
        return
      }
      this.records.problem('a node starts', `${node.name}: ${String(error)}`)
    })
  }

  async stop(node: SimulatedNode): Promise<void> {
    await node.stop()
  }

  /** Spoils a record on one disk of which another node surely has the like; each object once. */
  rotSafely(node: SimulatedNode): boolean {
    const store = node.life?.store
    if (!store) return false
    for (const { metadata } of store.list({ group: '', resource: 'configmaps' }).items) {
      const uid = metadata.uid ?? ''
      const mine = store.document(uid)
      const isKept = this.nodes.some(
        ({ life }) => life && life.store !== store && sameBytes(life.store.document(uid)?.encoded, mine?.encoded),
      )
      if (!isKept || this.#rotten.has(uid)) continue
      this.#rotten.add(uid)
      return node.disk.rot(uid)
    }
    return false
  }

  /** Ends all faults but those of machines that are down. */
  endFaults(): void {
    this.network.mend()
    this.network.isSilent = false
    this.network.onSend = undefined
    Object.assign(this.network.weather, { delayMs: 0, reorder: 0 })
    for (const node of this.nodes) {
      node.disk.isSlow = false
      node.disk.isStalled = false
      node.disk.onCommit = undefined
      node.disk.setStoreFull(false)
      node.disk.setLogFull(false)
      node.life?.clock.resume()
      node.life?.clock.setRate(1)
    }
  }

  /** Starts what is down. True when everything runs. */
  startAll(): boolean {
    for (const node of this.nodes) if (!node.isRunning) this.start(node)
    return this.nodes.every(({ isUp }) => isUp)
  }

  /** Ends all faults, starts what is down, and waits until nothing is left to be exchanged. */
  async quiesce(limitMs: number): Promise<boolean> {
    this.endFaults()
    let calmSince = -1
    return this.time.until(
      () => {
        this.startAll()
        if (!this.#isEqual()) calmSince = -1
        else if (calmSince < 0) calmSince = this.time.nowMs
        return calmSince >= 0 && this.time.nowMs - calmSince > calmMs
      },
      limitMs,
      250,
    )
  }

  #isEqual(): boolean {
    const leader = this.leader?.life
    if (!leader) return false
    const { commitIndex } = leader.decisions.status()
    const root = digestText(leader.store.digests.root())
    return this.nodes.every(
      ({ life }) =>
        life && life.decisions.status().appliedIndex === commitIndex && digestText(life.store.digests.root()) === root,
    )
  }

  /** Ends every life, so that nothing of the run stays behind. */
  end(): void {
    for (const node of this.nodes) node.kill()
    this.time.end()
  }
}

const sameBytes = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a !== undefined && b !== undefined && Buffer.compare(a, b) === 0
