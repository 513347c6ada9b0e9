/**
 * What a leader knows of one follower's log. `probe`: looking for where the logs agree, one message at a time;
 * `replicate`: they agree, messages are sent ahead of their answers; `snapshot`: the entries it needs are compacted.
 */
export interface Progress {
  mode: 'probe' | 'replicate' | 'snapshot'
  /** Highest index known to be on its disk. */
  match: number
  /** Next index to send. */
  next: number
  /** Last index of each append sent and not answered, in order. */
  inflight: number[]
  /** probe: a message is out; a heartbeat's answer allows the next. */
  paused: boolean
  /** The leader's tick at which the newest answered message was sent; -Infinity before the first. */
  ackTick: number
  /** The leader's tick at which it began to follow this server: grace before it counts as silent. */
  readonly sinceTick: number
  /** snapshot: the index that was asked of it. */
  snapshotIndex: number
}

export function newProgress(next: number, sinceTick: number): Progress {
  return {
    mode: 'probe',
    match: 0,
    next,
    inflight: [],
    paused: false,
    ackTick: -Infinity,
    sinceTick,
    snapshotIndex: 0,
  }
}

export function toProbe(progress: Progress): void {
  progress.mode = 'probe'
  progress.next = Math.max(progress.match + 1, 1)
  progress.inflight = []
  progress.paused = false
}

export function toSnapshot(progress: Progress, index: number): void {
  progress.mode = 'snapshot'
  progress.snapshotIndex = index
  progress.inflight = []
}

/** The follower has everything up to `index`. Returns whether that is news. */
export function acknowledge(progress: Progress, index: number): boolean {
  progress.inflight = progress.inflight.filter((last) => last > index)
  progress.next = Math.max(progress.next, index + 1)
  progress.paused = false
  if (index <= progress.match) return false
  progress.match = index
  return true
}

/**
 * The follower refused `refused`. Returns false when the answer is old: in probe mode only the answer to the message
 * that is out counts, in replicate mode only what exceeds `match`.
 */
export function refuse(progress: Progress, refused: number, hint: number): boolean {
  if (progress.mode === 'replicate') {
    if (refused <= progress.match) return false
    toProbe(progress)
    return true
  }
  if (progress.next - 1 !== refused) return false
  progress.next = Math.max(Math.min(refused, hint + 1), progress.match + 1)
  progress.paused = false
  return true
}

export function maySend(progress: Progress, maxInflightMessages: number): boolean {
  if (progress.mode === 'snapshot') return false
  return progress.mode === 'probe' ? !progress.paused : progress.inflight.length < maxInflightMessages
}
