import { assert, must } from '../../lib/assert.ts'
import { entryBytes, type Entry, type RaftConfig, type SnapshotMeta } from './types.ts'

interface ConfigAt {
  index: number
  config: RaftConfig
}

/**
 * The log in memory, from just after `base` on. The caller bounds it by compacting. Three marks rise through it:
 * `applied` ≤ `committed` ≤ last index, and `stable`, up to which entries are on this server's disk.
 */
export class RaftLog {
  base: { index: number; term: number }
  committed: number
  applied: number
  stable: number
  #entries: Entry[]
  /** The configuration at `base`, then one for each config entry above it. Never empty. */
  #configs: ConfigAt[]

  /** @param entries contiguous, the first at `base.index + 1`; all of them are on disk. */
  constructor(base: SnapshotMeta, entries: readonly Entry[], commit: number) {
    this.base = { index: base.index, term: base.term }
    this.#entries = [...entries]
    this.#configs = [{ index: base.index, config: base.config }]
    this.#noteConfigs(this.#entries)
    this.committed = Math.max(commit, base.index)
    this.applied = base.index
    this.stable = this.lastIndex
    assert(this.committed <= this.lastIndex, `commit ${commit} is beyond the log's end ${this.lastIndex}`)
  }

  get lastIndex(): number {
    return this.base.index + this.#entries.length
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.base.term
  }

  /** The configuration in force: the newest in the log, committed or not. */
  get config(): RaftConfig {
    return must(this.#configs.at(-1), 'a log always has a configuration').config
  }

  /** Index of the entry that holds {@link config}. */
  get configIndex(): number {
    return must(this.#configs.at(-1), 'a log always has a configuration').index
  }

  configAt(index: number): RaftConfig {
    return must(
      this.#configs.findLast((one) => one.index <= index),
      `no configuration at ${index}`,
    ).config
  }

  /** Term of the entry at `index`; undefined when it is compacted or not there. */
  termAt(index: number): number | undefined {
    return index === this.base.index ? this.base.term : this.#entries[index - this.base.index - 1]?.term
  }

  matches(index: number, term: number): boolean {
    return this.termAt(index) === term
  }

  /** Raft §5.4.1: the later last term wins, then the longer log. */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex)
  }

  /** Entries from `from` on, up to `to`, at least one, then as many as fit in `maxBytes`. */
  slice(from: number, to: number, maxBytes: number): Entry[] {
    assert(from > this.base.index, `entry ${from} is compacted`)
    const result: Entry[] = []
    let bytes = 0
    for (let index = from; index <= Math.min(to, this.lastIndex); index++) {
      const entry = must(this.#entries[index - this.base.index - 1], `entry ${index} is missing`)
      bytes += entryBytes(entry)
      if (result.length > 0 && bytes > maxBytes) break
      result.push(entry)
    }
    return result
  }

  /** Adds entries at the end. */
  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, `entry ${entry.index} does not follow ${this.lastIndex}`)
      this.#entries.push(entry)
    }
    this.#noteConfigs(entries)
  }

  /** Adds what is new among `entries`; where one conflicts, it and all that follow are replaced (Raft §5.3). */
  merge(entries: readonly Entry[]): void {
    const fresh = entries.findIndex((entry) => !this.matches(entry.index, entry.term) && entry.index > this.base.index)
    if (fresh < 0) return
    const first = must(entries[fresh], 'found above')
    if (first.index <= this.lastIndex) this.#truncate(first.index)
    this.append(entries.slice(fresh))
  }

  commitTo(index: number): boolean {
    const reached = Math.min(index, this.lastIndex)
    if (reached <= this.committed) return false
    this.committed = reached
    return true
  }

  /** Entries up to `index` of `term` are on disk, unless they were replaced meanwhile. */
  stableTo(index: number, term: number): void {
    if (this.matches(index, term)) this.stable = Math.max(this.stable, index)
  }

  /** Forgets entries up to `index`, which must be applied. */
  compact(index: number): void {
    assert(index <= this.applied, `entry ${index} is not applied yet`)
    if (index <= this.base.index) return
    const term = must(this.termAt(index), `entry ${index} is missing`)
    const config = this.configAt(index)
    this.#entries.splice(0, index - this.base.index)
    this.base = { index, term }
    this.#configs = [{ index, config }, ...this.#configs.filter((one) => one.index > index)]
  }

  /** Replaces the whole log by a snapshot. */
  reset(snapshot: SnapshotMeta): void {
    this.base = { index: snapshot.index, term: snapshot.term }
    this.#entries = []
    this.#configs = [{ index: snapshot.index, config: snapshot.config }]
    this.committed = snapshot.index
    this.applied = snapshot.index
    this.stable = snapshot.index
  }

  #truncate(from: number): void {
    assert(from > this.committed, `entry ${from} is committed and conflicts with a leader's`)
    this.#entries.length = from - this.base.index - 1
    this.#configs = this.#configs.filter((one) => one.index < from)
    this.stable = Math.min(this.stable, from - 1)
  }

  #noteConfigs(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.kind === 'config') this.#configs.push({ index: entry.index, config: entry.config })
    }
  }
}
