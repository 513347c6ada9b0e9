/** Names a server of the group. Never reused: a server that lost its disk comes back under another id. */
export type RaftId = string

/** Who counts. Takes effect on a server as soon as the entry that holds it is in that server's log. */
export interface RaftConfig {
  readonly voters: readonly RaftId[]
  /** Get the log, neither vote nor count. */
  readonly learners: readonly RaftId[]
}

interface EntryPosition {
  readonly index: number
  readonly term: number
}

export type Entry = EntryPosition &
  (
    | { readonly kind: 'noop' }
    | { readonly kind: 'data'; readonly data: Uint8Array }
    | { readonly kind: 'config'; readonly config: RaftConfig }
  )

/** What a server must not forget, apart from the log. `commit` may be stored late: it is only a hint at boot. */
export interface HardState {
  readonly term: number
  readonly vote: RaftId | null
  readonly commit: number
}

/** The position that a snapshot stands for; its bytes are the caller's affair. */
export interface SnapshotMeta {
  readonly index: number
  readonly term: number
  readonly config: RaftConfig
}

interface Envelope {
  readonly from: RaftId
  readonly to: RaftId
  readonly term: number
}

export type Message = Envelope &
  (
    | { readonly type: 'pre-vote'; readonly lastIndex: number; readonly lastTerm: number }
    | { readonly type: 'pre-vote-reply'; readonly granted: boolean }
    | {
        readonly type: 'vote'
        readonly lastIndex: number
        readonly lastTerm: number
        /** The old leader asked for this election: its lease is no reason to refuse. */
        readonly transfer: boolean
      }
    | { readonly type: 'vote-reply'; readonly granted: boolean }
    | {
        readonly type: 'append'
        readonly prevIndex: number
        readonly prevTerm: number
        readonly entries: readonly Entry[]
        readonly commit: number
        /** The leader's tick at sending, echoed by the reply: what its lease is counted from. */
        readonly tick: number
      }
    | {
        readonly type: 'append-reply'
        readonly ok: boolean
        /** ok: the highest index known to match. Else: the `prevIndex` that was refused. */
        readonly index: number
        /** When refused: where the leader should look next, and this server's term there. */
        readonly hintIndex: number
        readonly hintTerm: number
        readonly tick: number
      }
    | { readonly type: 'heartbeat'; readonly commit: number; readonly tick: number }
    | { readonly type: 'heartbeat-reply'; readonly tick: number }
    /** The leader no longer has the entries that `to` lacks: fetch a snapshot of at least `index`. */
    | { readonly type: 'snapshot'; readonly index: number; readonly tick: number }
    /** Campaign at once: leadership is handed over. */
    | { readonly type: 'timeout-now' }
  )

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader'

/**
 * What the caller must do, in this order: store `snapshot`, `entries` and `hardState` durably (in one step); send
 * `messages`; hand `snapshot` and `committed` to the state machine; call `advance`.
 */
export interface Ready {
  /** Replaces the whole log and the state machine. */
  readonly snapshot: SnapshotMeta | undefined
  /** Replace everything stored from `entries[0].index` on. */
  readonly entries: readonly Entry[]
  readonly hardState: HardState | undefined
  /** False when only `hardState.commit` changed: storing may wait for the next write. */
  readonly sync: boolean
  readonly messages: readonly Message[]
  readonly committed: readonly Entry[]
  /** Fetch a snapshot from this server, then call `restore`. Repeated until it is done. */
  readonly snapshotWanted: { readonly from: RaftId; readonly index: number } | undefined
}

/** All durations in ticks. Defaults in {@link defaultRaftOptions}. */
export interface RaftOptions {
  /** Least time without a leader before a campaign; each wait is drawn from [electionTicks, 2 × electionTicks). */
  readonly electionTicks: number
  readonly heartbeatTicks: number
  /** Entries of one append message, in bytes of data. One larger entry travels alone. */
  readonly maxAppendBytes: number
  /** Append messages that one follower has not yet answered. */
  readonly maxInflightMessages: number
  /** Data that is proposed and not yet committed; more is refused. */
  readonly maxUncommittedBytes: number
  /** Committed data handed out by one Ready. */
  readonly maxCommittedBytes: number
}

export const defaultRaftOptions: RaftOptions = {
  electionTicks: 10,
  heartbeatTicks: 2,
  maxAppendBytes: 1024 * 1024,
  maxInflightMessages: 64,
  maxUncommittedBytes: 32 * 1024 * 1024,
  maxCommittedBytes: 4 * 1024 * 1024,
}

/** Bytes that an entry counts for in the limits above. The constant keeps empty entries from being free. */
export function entryBytes(entry: Entry): number {
  return 32 + (entry.kind === 'data' ? entry.data.length : 0)
}
