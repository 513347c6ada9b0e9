/** Times and limits of the decision log. */
export interface DecisionLogConfig {
  /** One tick of the Raft core. Heartbeats go out every 2. */
  tickMs: number
  /**
   * Ticks without a leader after which a voter campaigns (up to twice as many, by chance), and without a quorum after
   * which a leader steps down. A machine that is held up for longer by other work costs an election.
   */
  electionTicks: number
  /** How long a command is tried, repeats included, unless the caller says otherwise. */
  commandTimeoutMs: number
  /** How long a command waits for a leader to appear before it is refused with 503. */
  leaderWaitMs: number
  /** One attempt at a leader on another node. */
  attemptTimeoutMs: number
  /** A snapshot is taken after so many applied entries, or so many bytes of them. */
  snapshotEveryEntries: number
  snapshotEveryBytes: number
  /** Entries kept behind a snapshot, for followers that are a little behind. */
  trailingEntries: number
  /** How long a request for new entries is held when there are none. */
  pullHoldMs: number
  /** A voter that hears no leader for this long asks others for what is committed. */
  pullAfterSilenceMs: number
  /** The leader looks at voters and leftovers so often. */
  dutyEveryMs: number
  /** A voter that is dead for this long is replaced, if a live member is there to take over. */
  replaceVoterAfterMs: number
  /** Values that nobody uses are taken back, and gone objects forgotten, after so long. */
  reclaimAfterMs: number
  /** Most commands that wait at this node; more are refused with 503. */
  maxPendingCommands: number
  /** Size of this node's own reserves; refilled when half is left. */
  reservedClusterIps: number
  reservedNodePorts: number
}

export const defaultDecisionLogConfig: DecisionLogConfig = {
  tickMs: 50,
  electionTicks: 18,
  commandTimeoutMs: 8_000,
  leaderWaitMs: 3_500,
  attemptTimeoutMs: 2_000,
  snapshotEveryEntries: 10_000,
  snapshotEveryBytes: 32 * 1024 * 1024,
  trailingEntries: 1_000,
  pullHoldMs: 1_000,
  pullAfterSilenceMs: 3_000,
  dutyEveryMs: 1_000,
  replaceVoterAfterMs: 60_000,
  reclaimAfterMs: 600_000,
  maxPendingCommands: 10_000,
  reservedClusterIps: 32,
  reservedNodePorts: 8,
}
