import { createDecisionLog } from '../decision/create-decision-log.ts'
import type { DecisionLogConfig } from '../decision/decision-log-config.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import type { Random } from '../lib/clock.ts'
import { silentLogger } from '../lib/log.ts'
import { Replicator } from '../replication/replicator.ts'
import type { Conflict } from '../store/conflict.ts'
import { openStore, type ObjectStore } from '../store/object-store.ts'
import type { FieldLayout } from '../store/store.ts'
import type { KubeObject } from '../api/object.ts'
import type { SimulatedNetwork } from './network.ts'
import { NodeClock } from './node-clock.ts'
import type { SimulatedDisk } from './simulated-disk.ts'
import type { SimulatedMesh } from './simulated-mesh.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What runs while a node's process lives. */
export interface Life {
  readonly clock: NodeClock
  readonly mesh: SimulatedMesh
  readonly store: ObjectStore
  readonly replicator: Replicator
  readonly decisions: DecisionLog
}

export interface NodeParts {
  name: string
  number: number
  time: VirtualTime
  network: SimulatedNetwork
  chance: Random
  disk: SimulatedDisk
  layout: FieldLayout
  config: Partial<DecisionLogConfig>
  /** Members that a joiner starts from. */
  knownMembers(): readonly { peer: string; node: string; addresses: readonly string[] }[]
  onConflict(conflict: Conflict): void
  onLead(term: number, lost: AbortSignal): void
  /** Called when everything is made and nothing has started. */
  onBoot?(life: Life): void
  onEnd?(): void
}

export const peerOf = (number: number): string => `p${number}`

/** A machine: its disk stays, its process comes and goes. Everything in the process is production code. */
export class SimulatedNode {
  readonly name: string
  readonly peer: string
  readonly number: number
  readonly disk: SimulatedDisk
  readonly #parts: NodeParts
  #clock: NodeClock | undefined
  #offsetMs = 0
  life: Life | undefined

  constructor(parts: NodeParts) {
    this.#parts = parts
    this.name = parts.name
    this.number = parts.number
    this.peer = peerOf(parts.number)
    this.disk = parts.disk
  }

  get isUp(): boolean {
    return this.life !== undefined
  }

  /** True between the first step of a start and the end of the process. */
  get isRunning(): boolean {
    return this.#clock !== undefined
  }

  async start(): Promise<void> {
    if (this.#clock) return
    const { time, network, chance, disk, layout, config } = this.#parts
    const clock = new NodeClock(time, this.#offsetMs)
    this.#clock = clock
    const mesh = network.join(this.peer, clock)
    const common = { clock, random: chance, logger: silentLogger }
    const store = await openStore({
      ...common,
      disk: disk.store,
      nodeNumber: this.number,
      layout,
      onConflict: (conflict) => this.#parts.onConflict(conflict),
    })
    if (this.#clock !== clock) return
    const replicator = new Replicator({ ...common, mesh, replica: store })
    const decisions = createDecisionLog({
      ...common,
      mesh,
      storage: disk.log,
      sink: store,
      self: { node: this.name, peer: this.peer },
      inUse: followAddresses(store),
      bootstrapPeers: () =>
        this.#parts
          .knownMembers()
          .map(({ peer }) => peer)
          .filter((peer) => peer !== this.peer),
      config,
    })
    store.setDecisions(decisions)
    const meet = (members: readonly { peer: string }[]) => {
      mesh.setMembers(members.filter(({ peer }) => peer !== this.peer))
      replicator.setMembers(members)
    }
    meet(this.#parts.knownMembers())
    decisions.onMembers((members) => meet(members.length > 0 ? members : this.#parts.knownMembers()))
    decisions.onLeadership((term, lost) => this.#parts.onLead(term, lost))
    const life: Life = { clock, mesh, store, replicator, decisions }
    this.#parts.onBoot?.(life)
    for (const service of [store, mesh, replicator, decisions]) {
      await service.start()
      if (this.#clock !== clock) return
    }
    this.life = life
  }

  /** Power-off: what is not on disk is gone, and nothing of the process ever runs again. */
  kill(isTorn = false): void {
    if (!this.#clock) return
    this.#offsetMs = this.#clock.offsetMs
    this.#clock.die()
    this.#clock = undefined
    this.life = undefined
    this.disk.crash(isTorn)
    const mesh = this.#parts.network.at(this.peer)
    void mesh?.stop()
    this.#parts.onEnd?.()
  }

  /** An orderly end: the process finishes what it began. */
  async stop(): Promise<void> {
    const { life } = this
    if (!life) return
    for (const service of [life.decisions, life.replicator, life.mesh, life.store]) await service.stop()
    if (this.life === life) this.kill()
  }
}

/** Whether a Service of the store has a ClusterIP or NodePort, given as text. Services are read again once the store has changed. */
function followAddresses(store: ObjectStore): (value: string) => boolean {
  let readAt: bigint | undefined
  let inUse = new Set<string>()
  return (value) => {
    const version = store.currentVersion()
    if (version !== readAt) inUse = new Set(store.list({ group: '', resource: 'services' }).items.flatMap(addressesOf))
    readAt = version
    return inUse.has(value)
  }
}

function addressesOf(service: KubeObject): string[] {
  const { spec } = service as KubeObject & { spec?: { clusterIP?: string; ports?: { nodePort?: number }[] } }
  const ports = (spec?.ports ?? []).flatMap(({ nodePort }) => (nodePort === undefined ? [] : [String(nodePort)]))
  return spec?.clusterIP ? [spec.clusterIP, ...ports] : ports
}
