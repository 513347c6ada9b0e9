import type { Clock } from '../lib/clock.ts'
import { errors } from '../api/status-error.ts'
import type { Command } from './cluster-state.ts'
import type { DecisionLogConfig } from './decision-log-config.ts'
import { formatIpv4 } from './ipv4.ts'
import type { LogRunner } from './log-runner.ts'
import { alreadyAllocated, reserveOf, type ReserveTable } from './reserve-table.ts'

/** Between two attempts to get more. */
const refillEveryMs = 2_000

export interface LocalReserveParts {
  clock: Clock
  runner: LogRunner
  config: DecisionLogConfig
  self: { node: string }
  /** ClusterIPs and NodePorts (as decimal text) of all Services that this node knows of. */
  inUse: () => Iterable<string>
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
  #refilling = false

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
    if (this.#used().has(text)) throw alreadyAllocated(what)
    this.#taken.add(text)
    return true
  }

  giveBack(value: string | number): void {
    this.#taken.delete(String(value))
  }

  /** Asks for more when half is used; called often. */
  refill(): void {
    const { clock, runner, config, self, command } = this.#parts
    const nowMs = clock.monotonicMs()
    if (this.#refilling || nowMs - this.#refillMs < refillEveryMs) return
    if (!runner.machine.membership.member(self.node)) return
    this.#refillMs = nowMs
    const used = this.#used()
    const missing = (table: ReserveTable, format: (value: number) => string, wanted: number) => {
      const free = this.#held(table).filter((value) => !used.has(format(value))).length
      return free > wanted / 2 ? 0 : wanted - free
    }
    const clusterIps = missing(runner.machine.clusterIps, formatIpv4, config.reservedClusterIps)
    const nodePorts = missing(runner.machine.nodePorts, String, config.reservedNodePorts)
    if (clusterIps + nodePorts === 0) return
    this.#refilling = true
    command({ type: 'reserve', node: self.node, clusterIps, nodePorts })
      .catch(() => {})
      .finally(() => {
        this.#refilling = false
      })
  }

  #take(table: ReserveTable, format: (value: number) => string): string | undefined {
    const used = this.#used()
    const value = this.#held(table)
      .map(format)
      .find((text) => !used.has(text))
    if (value !== undefined) this.#taken.add(value)
    this.#refillMs = -Infinity
    return value
  }

  #used(): Set<string> {
    const used = new Set(this.#parts.inUse())
    // Its Service is there: from now on that is what keeps it.
    for (const value of this.#taken) if (used.has(value)) this.#taken.delete(value)
    return used.union(this.#taken)
  }

  #held(table: ReserveTable): number[] {
    const { runner, self } = this.#parts
    const member = runner.machine.membership.member(self.node)
    return member ? table.heldBy(reserveOf(member.node, member.incarnation)) : []
  }

  #exhausted(what: string): string {
    return `this node's reserve of ${what} is used up, and more must be decided by a leader`
  }
}
