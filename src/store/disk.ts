/** Changes that reach the disk together or not at all. A removal of what is not there is no error. */
export interface DiskBatch {
  put: readonly (readonly [key: string, value: Uint8Array])[]
  remove: readonly string[]
}

/**
 * A small ordered key-value store on disk. Implemented on LMDB and in memory (which can crash); one contract suite
 * runs on both. Keys are at most 400 bytes.
 */
export interface Disk {
  /** All entries whose key starts with `prefix`, in order of keys. Values are the caller's. */
  load(prefix: string): Iterable<readonly [key: string, value: Uint8Array]>
  get(key: string): Uint8Array | undefined
  /**
   * Atomic, and on stable storage once it resolves. Commits take effect in the order of the calls. A rejected commit
   * has changed nothing.
   */
  commit(batch: DiskBatch): Promise<void>
  /** Waits for commits under way. Idempotent. */
  close(): Promise<void>
}
