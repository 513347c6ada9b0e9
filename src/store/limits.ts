export interface StoreLimits {
  /** How long a deletion is remembered for members that are away. Default 24 h. */
  retentionMs: number
  /** How far ahead of this machine's clock a peer's may be before its writes are refused. Default 1 h. */
  maxDriftMs: number
  /** How long an Event lives after its last write. Default 1 h, as kube-apiserver's --event-ttl. */
  eventTtlMs: number
  /** Watch events remembered a resource. Default 10,000. */
  historyEvents: number
  /** Encoded bytes of watch events remembered a resource. Default 16 MiB. */
  historyBytes: number
}

export const defaultStoreLimits: StoreLimits = {
  retentionMs: 24 * 3_600_000,
  maxDriftMs: 3_600_000,
  eventTtlMs: 3_600_000,
  historyEvents: 10_000,
  historyBytes: 16 * 2 ** 20,
}
