import type { Clock } from '../lib/clock.ts'
import { errors, isStatus } from '../api/status-error.ts'
import type { Command } from './cluster-state.ts'
import type { DecisionLogConfig } from './decision-log-config.ts'
import { formatIpv4, usableSpan } from './ipv4.ts'
import type { LogRunner } from './log-runner.ts'
import { alreadyAllocated, reserveOf, type ReserveTable, type Span } from './reserve-table.ts'

/** Between two attempts to get more. */
const refillEveryMs = 2_000

export interface LocalReserveParts {
  clock: Clock
  runner: LogRunner
  config: DecisionLogConfig
  self: { node: string }
  /** Whether any Service that this node knows of has the ClusterIP or NodePort (as decimal text). */
  inUse: (value: string) => boolean
  /** IPv4 CIDRs of cluster IPs besides the cluster's first range, as far as they may be given now. */
  furtherRanges: () => readonly string[]
  command: (command: Command) => Promise<unknown>
}

/**
 * Hands out values of this node's own reserve, also when it is cut off. A value is free while no Service uses it and
 * no create that is under way has taken it; so nothing needs to be remembered across a restart.
 */
export class LocalReserve {
  readonly #parts: LocalReserveParts
  /** Taken for creates whose Service is not seen yet. Bounded by the reserve. */
  readonly #taken = new Set<string>()
  #refillMs = -Infinity
  #refilling: Promise<void> | undefined

  constructor(parts: LocalReserveParts) {
    this.#parts = parts
  }

  takeClusterIp(): string {
    const ip = this.#take(this.#parts.runner.machine.clusterIps, formatIpv4)
    if (ip === undefined) throw errors.unavailable(this.#exhausted('ClusterIPs'))
    return ip
  }

  takeNodePort(): number {
    const port = this.#take(this.#parts.runner.machine.nodePorts, String)
    if (port === undefined) throw errors.unavailable(this.#exhausted('NodePorts'))
    return Number(port)
  }

  /**
   * Takes one given value of this node's own reserve; false when it is not from there, so that only the log can say whether
   * it is free. Throws Conflict when a Service, or a create that is under way, has it.
   */
  takeGiven(value: string | number): boolean {
    const { machine } = this.#parts.runner
    const text = String(value)
    const [table, format, what] =
      typeof value === 'number'
        ? ([machine.nodePorts, String, 'port'] as const)
        : ([machine.clusterIps, formatIpv4, 'IP'] as const)
    if (!this.#held(table).some((own) => format(own) === text)) return false
    if (this.#isUsed(text)) throw alreadyAllocated(what)
    this.#taken.add(text)
    return true
  }

  /**
   * Lets the claim of `owner` have a value of this reserve. It is not handed out from here on, whatever becomes of the
   * attempt, unless that surely came to nothing; and what is answered survives a crash of this node. Throws Conflict when
   * the value is not (any more) in the reserve, or in use.
   */
  async cede(value: string | number, owner: string): Promise<void> {
    const { runner, self, command } = this.#parts
    const member = runner.machine.membership.member(self.node)
    if (!member || !this.takeGiven(value)) throw alreadyAllocated(typeof value === 'number' ? 'port' : 'IP')
    const what = typeof value === 'number' ? { nodePort: value } : { clusterIp: value }
    try {
      await command({ type: 'cede', node: member.node, incarnation: member.incarnation, ...what, owner })
    } catch (error) {
      if (isStatus(error, 'ServiceUnavailable', 'Conflict')) this.giveBack(value)
      throw error
    }
    await runner.storeCommit()
    this.giveBack(value)
  }

  giveBack(value: string | number): void {
    this.#taken.delete(String(value))
  }

  /** Asks for more when half is used; called often. */
  refill(): void {
    if (this.#refilling || this.#parts.clock.monotonicMs() - this.#refillMs < refillEveryMs) return
    this.replenish().catch(() => undefined)
  }

  /** Resolves when what was missing is there; who calls meanwhile shares one decision. Throws ServiceUnavailable. */
  replenish(): Promise<void> {
    return (this.#refilling ??= this.#askForMore().finally(() => (this.#refilling = undefined)))
  }

  async #askForMore(): Promise<void> {
    const { clock, runner, config, self, furtherRanges, command } = this.#parts
    if (!runner.machine.membership.member(self.node)) return
    this.#refillMs = clock.monotonicMs()
    const missing = (table: ReserveTable, format: (value: number) => string, wanted: number) => {
      const free = this.#held(table).filter((value) => !this.#isUsed(format(value))).length
      return free > wanted / 2 ? 0 : wanted - free
    }
    const clusterIps = missing(runner.machine.clusterIps, formatIpv4, config.reservedClusterIps)
    const nodePorts = missing(runner.machine.nodePorts, String, config.reservedNodePorts)
    if (clusterIps + nodePorts === 0) return
    await command({ type: 'reserve', node: self.node, clusterIps, nodePorts, ranges: furtherRanges() })
  }

  #take(table: ReserveTable, format: (value: number) => string): string | undefined {
    const value = this.#held(table)
      .map(format)
      .find((text) => !this.#isUsed(text))
    if (value !== undefined) this.#taken.add(value)
    this.#refillMs = -Infinity
    return value
  }

  #isUsed(text: string): boolean {
    if (!this.#parts.inUse(text)) return this.#taken.has(text)
    // Its Service is there: from now on that is what keeps it.
    this.#taken.delete(text)
    return true
  }

  /** Values of a range that was taken away meanwhile stay in the reserve, and are not handed out. */
  #held(table: ReserveTable): number[] {
    const { runner, self, furtherRanges } = this.#parts
    const member = runner.machine.membership.member(self.node)
    const held = member ? table.heldBy(reserveOf(member.node, member.incarnation)) : []
    const spans: Span[] = [table]
    if (table === runner.machine.clusterIps) spans.push(...furtherRanges().map(usableSpan))
    return held.filter((value) => spans.some(({ first, last }) => value >= first && value <= last))
  }

  #exhausted(what: string): string {
    return `this node's reserve of ${what} is used up, and more must be decided by a leader`
  }
}
