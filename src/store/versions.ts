import { assert } from '../lib/assert.ts'

/** Low bits of a resourceVersion that hold the number of the node which gave it. */
const nodeBits = 16n

/** Versions reserved on disk at a time: one write to disk a million changes. */
export const versionBlock = 2 ** 20

/**
 * Gives out this node's resourceVersions, each once (architecture §3). What is handed out is always below a bound that
 * is already on disk, so that after a crash the node goes on above everything it ever gave.
 */
export class VersionSource {
  readonly #node: bigint
  #last: number
  #reserved: number
  #reserving = false
  readonly #reserve: (bound: number) => Promise<void>

  /** Everything up to `start` may have been given out; `reserved` is durable already; `reserve` makes a higher bound durable. */
  constructor(nodeNumber: number, start: number, reserved: number, reserve: (bound: number) => Promise<void>) {
    assert(nodeNumber > 0 && nodeNumber < 2 ** 16, `node number ${nodeNumber} is not within 1…65535`)
    this.#node = BigInt(nodeNumber)
    this.#last = start
    this.#reserved = reserved
    this.#reserve = reserve
  }

  next(): bigint {
    assert(this.#last + 1 < this.#reserved, 'resourceVersions ran out before the disk reserved more')
    this.#last += 1
    if (this.#reserved - this.#last < versionBlock / 2) this.#extend()
    return this.current()
  }

  current(): bigint {
    return (BigInt(this.#last) << nodeBits) | this.#node
  }

  /** Whether this node gave out that version, as far as its form tells. */
  isOwn(version: bigint): boolean {
    return (version & 0xffffn) === this.#node && version <= this.current()
  }

  #extend(): void {
    if (this.#reserving) return
    this.#reserving = true
    const bound = this.#reserved + versionBlock
    this.#reserve(bound).then(
      () => {
        this.#reserved = bound
        this.#reserving = false
      },
      () => {
        this.#reserving = false
      },
    )
  }
}
