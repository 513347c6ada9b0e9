import type { Clock, Random, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Mesh } from '../mesh/mesh.ts'
import { ownWire, type WireRange } from '../mesh/wire-range.ts'
import type { DecidedSink, ObjectProposal } from '../store/decided.ts'
import type { Command, Member } from './cluster-state.ts'
import { Claims } from './claims.ts'
import { CommandRouter } from './command-router.ts'
import { defaultDecisionLogConfig, type DecisionLogConfig } from './decision-log-config.ts'
import type { DecisionLog, LogStatus } from './decision-log.ts'
import { encodeMachine } from './machine-snapshot.ts'
import { LeaderDuties } from './leader-duties.ts'
import { Leadership } from './leadership.ts'
import { LocalReserve } from './local-reserve.ts'
import { LogFollower } from './log-follower.ts'
import { LogRunner } from './log-runner.ts'
import { NodeLeases } from './node-leases.ts'
import { serveLog } from './log-server.ts'
import { SelfDescription } from './self-description.ts'
import type { LogStorage } from './log-storage.ts'

/** Reserves are looked after so often. */
const refillEveryMs = 1_000
/** How long a leader that stops waits for another to take over. */
const handOverMs = 1_500

export interface DecisionLogParts {
  mesh: Mesh
  /** Opened by the caller, closed by the log. Made ready by `initCluster` on the first node; empty on a joiner. */
  storage: LogStorage
  sink: DecidedSink
  clock: Clock
  random: Random
  logger: Logger
  self: { node: string; peer: string }
  /** Whether a Service of the store has the ClusterIP or NodePort (as decimal text). Asked for each Service that is made. */
  inUse: (value: string) => boolean
  /** Versions of the wire format that this program speaks, which the other members are told. Default: its own. */
  speaks?: WireRange
  /** IPv4 CIDRs of cluster IPs besides the cluster's first range, as far as they may be given now. Default: none. */
  furtherRanges?: () => readonly string[]
  /** Whom a joiner asks for the log as long as it knows no members. */
  bootstrapPeers?: () => readonly string[]
  config?: Partial<DecisionLogConfig>
}

/** The decision log of one node. Throws CorruptLogError when its disk cannot be trusted. */
export function createDecisionLog(parts: DecisionLogParts): DecisionLog {
  const { mesh, storage, sink, clock, random, logger, self, inUse } = parts
  const config = { ...defaultDecisionLogConfig, ...parts.config }
  const memberHandlers: ((members: readonly Member[]) => void)[] = []
  const leadership = new Leadership(logger)
  let refillTimer: Timer | undefined
  let stopping: Promise<void> | undefined

  const runner = new LogRunner(
    { mesh, storage, sink, clock, random, logger, self, config },
    {
      changed: () => leadership.update(runner.leads ? runner.core.term : undefined),
      membersChanged: () => {
        const members = runner.machine.membership.members()
        for (const handler of memberHandlers) handler(members)
      },
      snapshotWanted: (from) => follower.want(from),
    },
  )
  const follower = new LogFollower({
    mesh,
    clock,
    random,
    logger,
    runner,
    config,
    self,
    bootstrapPeers: parts.bootstrapPeers ?? (() => []),
  })
  const leader = () => runner.core.leader ?? follower.leader
  const router = new CommandRouter({
    mesh,
    clock,
    random,
    sink,
    runner,
    config,
    self,
    leader,
    dismiss: (node) => duties.dismiss(node),
    decidedAt: (peer, index) => {
      const { voters, learners } = runner.core.config
      const sentTo = voters.includes(self.peer) || learners.includes(self.peer)
      if (!sentTo && runner.appliedIndex < index) follower.want(peer)
    },
  })
  const command = async (asked: Command, options: { signal?: AbortSignal; timeoutMs?: number } = {}) =>
    (await router.ask({ kind: 'command', command: asked, id: router.newId() }, options)).value
  const furtherRanges = parts.furtherRanges ?? (() => [])
  const reserve = new LocalReserve({ clock, runner, config, self, inUse, furtherRanges, command })
  const claims = new Claims({ mesh, runner, reserve, self, command })
  const description = new SelfDescription({ runner, self, speaks: parts.speaks ?? ownWire, command })
  const duties = new LeaderDuties({ mesh, clock, logger, sink, runner, config, self, inUse, command })
  const leases = new NodeLeases({ mesh, clock, runner, self, leader })
  leadership.onLeadership((_term, signal) => {
    leases.beginTerm()
    duties.run(signal)
  })
  serveLog({ mesh, clock, storage, runner })

  const nodeOf = (peer: string | null): string | null =>
    peer === null ? null : (runner.machine.membership.byPeer(peer)?.node ?? peer)

  function status(): LogStatus {
    const { role, term, committed, config: raftConfig, progress } = runner.core.status()
    return {
      leader: nodeOf(leader()),
      term,
      commitIndex: committed,
      appliedIndex: runner.appliedIndex,
      voters: raftConfig.voters.map((peer) => nodeOf(peer) ?? peer),
      isLeader: role === 'leader' && runner.leads,
      generation: runner.generation,
      lag: Object.fromEntries([...progress].map(([peer, { match }]) => [nodeOf(peer) ?? peer, committed - match])),
    }
  }

  function keepReserve(): void {
    reserve.refill()
    description.keep()
    refillTimer = clock.after(refillEveryMs, keepReserve)
  }

  /** Waits until this node leads no longer, or time is up. */
  async function transferLeadership(): Promise<void> {
    const { core } = runner
    if (core.role !== 'leader') return
    const { progress, config: raftConfig } = core.status()
    const [heir] = raftConfig.voters
      .filter((peer) => peer !== self.peer && mesh.connected().includes(peer))
      .toSorted((left, right) => (progress.get(right)?.match ?? 0) - (progress.get(left)?.match ?? 0))
    if (heir === undefined || !core.transfer(heir)) return
    runner.wake()
    const deadlineMs = clock.monotonicMs() + handOverMs
    while (core.role === 'leader' && clock.monotonicMs() < deadlineMs) {
      await new Promise<void>((resolve) => clock.after(20, resolve))
    }
  }

  async function stop(): Promise<void> {
    refillTimer?.cancel()
    await transferLeadership()
    leadership.update(undefined)
    leases.stop()
    await follower.stop()
    await runner.stop()
    await storage.close()
  }

  return {
    async start() {
      await runner.start()
      follower.start()
      leases.start()
      keepReserve()
    },
    stop: () => (stopping ??= stop()),
    status,
    command,
    async propose(proposal: ObjectProposal, { signal }) {
      const { index } = await router.ask({ kind: 'object', proposal, id: router.newId() }, { signal })
      return { index }
    },
    snapshot() {
      const { generation, appliedIndex: index, machine } = runner
      const state = encodeMachine(machine)
      // What is yielded is the state at the first step: that must be now, not when somebody begins to read.
      const first = state.next()
      const chunks = (function* () {
        if (!first.done) yield first.value
        yield* state
      })()
      return { generation, index, chunks }
    },
    members: () => runner.machine.membership.members(),
    tokens: () => runner.machine.membership.tokens(),
    onMembers: (handler) => void memberHandlers.push(handler),
    onLeadership: (run) => leadership.onLeadership(run),
    takeClusterIp: () => reserve.takeClusterIp(),
    takeNodePort: () => reserve.takeNodePort(),
    replenish: () => reserve.replenish(),
    claim: (value, options) => claims.claim(value, options),
    returnClusterIp: (ip) => reserve.giveBack(ip),
    returnNodePort: (port) => reserve.giveBack(port),
    leaseSinceMs: () => leases.sinceMs,
    leaseAgeMs: (node) => leases.ageMs(runner.machine.membership.member(node)?.peer),
    transferLeadership,
  }
}
