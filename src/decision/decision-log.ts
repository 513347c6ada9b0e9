import type { Service } from '../lib/service.ts'
import type { DecidedSource } from '../store/decided.ts'
import type { Command, JoinToken, Member } from './cluster-state.ts'

/** Where the log stands, as this node sees it. */
export interface LogStatus {
  /** Node name of the leader, null when none is known. */
  leader: string | null
  term: number
  commitIndex: number
  appliedIndex: number
  voters: string[]
  isLeader: boolean
  /** Raised by a forced recovery. */
  generation?: number
  /** On the leader: entries that each node it sends to lacks of what is committed. */
  lag?: Record<string, number>
}

/** What the log has come to at one position, for a backup. */
export interface LogState {
  readonly generation: number
  readonly index: number
  readonly chunks: Iterable<Uint8Array>
}

/**
 * The replicated decision log (architecture §4–§5): Raft among the voters, everybody else a learner. One per node.
 */
export interface DecisionLog extends Service, DecidedSource {
  status(): LogStatus
  /**
   * Any command, from any node: forwarded to the leader. Resolves with what applying it returned, once applied here.
   * Throws StatusError as {@link DecidedSource.propose}.
   */
  command(command: Command, options?: { signal?: AbortSignal; timeoutMs?: number }): Promise<unknown>
  members(): readonly Member[]
  /** The state as applied now; what is applied while it is read is not in it. */
  snapshot(): LogState
  tokens(): readonly JoinToken[]
  onMembers(handler: (members: readonly Member[]) => void): void
  /**
   * `run` is called each time this node becomes leader AND has applied everything before its term; its signal is
   * aborted the moment it no longer is (or cannot be sure: check-quorum).
   */
  onLeadership(run: (term: number, signal: AbortSignal) => void): void
  /** This node's own reserve: takes a free ClusterIP / NodePort for a declared create. Refills itself while there is a leader. */
  takeClusterIp(): string
  takeNodePort(): number
  /** Resolves when a reserve that ran short has more. Throws ServiceUnavailable without a leader. */
  replenish(): Promise<void>
  /**
   * Gets `owner` one given ClusterIP or NodePort: of this node's own reserve without a leader, else by a decision, out of
   * the reserve of another node only if that lets go of it. `range`: the further range that a ClusterIP is out of. Throws
   * Conflict when it is in use, or the node that has it in reserve does not answer; Invalid when it is out of range.
   */
  claim(value: string | number, options: { owner: string; range?: string }): Promise<void>
  /** The create that took it is over: its Service holds the value now, or nobody. */
  returnClusterIp(ip: string): void
  returnNodePort(port: number): void
  /**
   * Monotonic ms from which this node's lease runs, −Infinity before the first: the leader gave it then or later, and
   * everything that was decided by then is applied here. For fencing.
   */
  leaseSinceMs(): number
  /** On the leader: how many ms ago that node's lease began, at the least. Elsewhere it says nothing. */
  leaseAgeMs(node: string): number
  /** Hands leadership to another voter, if this node has it. */
  transferLeadership(): Promise<void>
}
