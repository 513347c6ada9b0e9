import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Mesh } from '../mesh/mesh.ts'
import type { DecidedSink } from '../store/decided.ts'
import type { Command, Member } from './cluster-state.ts'
import type { DecisionLogConfig } from './decision-log-config.ts'
import { formatIpv4 } from './ipv4.ts'
import type { LogRunner } from './log-runner.ts'
import { reserveOf, type Holder, type ReserveTable } from './reserve-table.ts'
import { planVoters } from './voter-plan.ts'

/** Between two steps towards the voters that there should be. */
const voterStepMs = 100
/** Between two looks for what can be taken back. */
const reclaimEveryMs = 30_000
/** A member that is about to be removed is no candidate for so long; the removal may have been given up. */
const leavingMs = 15_000
/** Values or objects of one command. */
const maxReclaimed = 1_000

export interface LeaderDutiesParts {
  mesh: Mesh
  clock: Clock
  logger: Logger
  sink: DecidedSink
  runner: LogRunner
  config: DecisionLogConfig
  self: { peer: string }
  inUse: (value: string) => boolean
  command: (command: Command) => Promise<unknown>
}

/** What the leader does by itself, as long as it leads: keeps the voters, and takes back what nobody uses. */
export class LeaderDuties {
  readonly #parts: LeaderDutiesParts
  /** Since when (monotonic ms) a value or object was seen unused, without a break. */
  #unusedSince = new Map<string, number>()
  #reclaimedMs = 0
  /** Peers that are about to be removed, and until when (monotonic ms) they are no candidates. */
  readonly #leaving = new Map<string, number>()

  constructor(parts: LeaderDutiesParts) {
    this.#parts = parts
  }

  /** Runs until the signal is aborted. */
  run(signal: AbortSignal): void {
    this.#unusedSince = new Map()
    this.#reclaimedMs = this.#parts.clock.monotonicMs()
    const { clock, config } = this.#parts
    const again = (delayMs: number) => {
      const timer = clock.after(delayMs, () => {
        signal.removeEventListener('abort', cancel)
        if (signal.aborted) return
        const changing = this.#keepVoters()
        this.#reclaim()
        again(changing ? Math.min(voterStepMs, config.dutyEveryMs) : config.dutyEveryMs)
      })
      const cancel = () => timer.cancel()
      signal.addEventListener('abort', cancel, { once: true })
    }
    again(config.dutyEveryMs)
  }

  /**
   * Whether the member may be removed now. A voter may not: members talk to members only, and without its vote those who
   * stay might be no majority. So it leaves the voters first, and hands over first if it leads; ask again.
   */
  dismiss(node: string): boolean {
    const { runner, clock } = this.#parts
    const members = runner.machine.membership.members()
    const peer = members.find((member) => member.node === node)?.peer
    if (peer === undefined || members.length === 1) return true
    this.#leaving.set(peer, clock.monotonicMs() + leavingMs)
    const { config, configCommitted } = runner.core.status()
    if (configCommitted && !config.voters.includes(peer)) return true
    this.#keepVoters()
    return false
  }

  #stayingMembers(nowMs: number): Member[] {
    for (const [peer, untilMs] of this.#leaving) if (untilMs <= nowMs) this.#leaving.delete(peer)
    return this.#parts.runner.machine.membership.members().filter(({ peer }) => !this.#leaving.has(peer))
  }

  /** Takes one step. Returns whether another may follow soon. */
  #keepVoters(): boolean {
    const { runner, mesh, clock, config, self, logger } = this.#parts
    const { core } = runner
    const status = core.status()
    const nowMs = clock.monotonicMs()
    const silentMs = (peer: string) => (status.progress.get(peer)?.silentTicks ?? Infinity) * config.tickMs
    const alive = (peer: string) =>
      peer === self.peer || silentMs(peer) < 1_000 || (mesh.liveness(peer).alive && mesh.connected().includes(peer))
    const plan = planVoters({
      self: self.peer,
      members: this.#stayingMembers(nowMs),
      config: status.config,
      lastIndex: status.lastIndex,
      match: new Map([...status.progress].map(([peer, { match }]) => [peer, match])),
      alive,
      lost: (peer) =>
        !alive(peer) &&
        silentMs(peer) >= config.replaceVoterAfterMs &&
        nowMs - mesh.liveness(peer).lastAliveMs >= config.replaceVoterAfterMs,
    })
    if (!plan) return false
    if ('transferTo' in plan) {
      core.transfer(plan.transferTo)
      runner.wake()
      return false
    }
    const { change, why } = plan
    const answer = core.proposeConfig(change)
    if ('refused' in answer) logger.debug({ ...answer, why }, 'change of voters has to wait')
    else logger.info({ ...change, why }, 'changing the voters')
    runner.wake()
    return true
  }

  #reclaim(): void {
    const { clock, logger, command } = this.#parts
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#reclaimedMs < reclaimEveryMs) return
    this.#reclaimedMs = nowMs
    const unused = this.#findUnused()
    for (const name of this.#unusedSince.keys()) if (!unused.has(name)) this.#unusedSince.delete(name)
    const due = { clusterIps: [] as string[], nodePorts: [] as number[], uids: [] as string[] }
    for (const [name, note] of unused) {
      const since = this.#unusedSince.get(name) ?? nowMs
      this.#unusedSince.set(name, since)
      if (nowMs - since >= this.#parts.config.reclaimAfterMs) note(due)
    }
    const failed = (error: unknown) => logger.warn({ err: error }, 'could not take back what is unused')
    const clusterIps = due.clusterIps.slice(0, maxReclaimed)
    const nodePorts = due.nodePorts.slice(0, maxReclaimed)
    if (clusterIps.length + nodePorts.length > 0) command({ type: 'release', clusterIps, nodePorts }).catch(failed)
    const uids = due.uids.slice(0, maxReclaimed)
    if (uids.length > 0) command({ type: 'forget', uids }).catch(failed)
  }

  #findUnused() {
    const { runner, sink, inUse } = this.#parts
    const { machine } = runner
    const live = new Set<Holder>(
      machine.membership.members().map((member) => reserveOf(member.node, member.incarnation)),
    )
    const found = new Map<string, (due: { clusterIps: string[]; nodePorts: number[]; uids: string[] }) => void>()
    const scan = (table: ReserveTable, format: (value: number) => string, note: typeof noteIp) => {
      for (const [value, holder] of table.entries()) {
        const text = format(value)
        if (holder === 'cluster' || live.has(holder) || inUse(text)) continue
        found.set(text, (due) => note(due, value))
      }
    }
    const noteIp = (due: { clusterIps: string[]; nodePorts: number[] }, value: number) => {
      due.clusterIps.push(formatIpv4(value))
    }
    scan(machine.clusterIps, formatIpv4, noteIp)
    scan(machine.nodePorts, String, (due, value) => due.nodePorts.push(value))
    for (const { uid } of machine.objects.values()) if (sink.isGone(uid)) found.set(uid, (due) => due.uids.push(uid))
    return found
  }
}
