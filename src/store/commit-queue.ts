import { errors } from '../api/status-error.ts'
import type { Logger } from '../lib/log.ts'
import type { Disk } from './disk.ts'
import { Staging } from './staging.ts'

/** Operations that share one sync of the disk. More make one commit slow, not many of them faster. */
const batchLimit = 1_000
/** Operations that may wait; beyond it callers are told to come back. */
const queueLimit = 100_000

interface Operation {
  stage(staging: Staging): () => unknown
  resolve(outcome: { result: unknown; spread: Promise<void> }): void
  reject(error: unknown): void
}

export interface CommitQueueOptions {
  disk: Disk
  logger: Logger
  /** Makes a durable staging visible; returns when peers have it (see Replica.onLocalChanges). */
  publish(staging: Staging): Promise<void>
}

/**
 * Group commit: operations queue while the disk syncs, then all that wait are staged in order and share the next
 * sync. An operation sees those staged before it; an operation that throws leaves no trace.
 */
export class CommitQueue {
  readonly #options: CommitQueueOptions
  #waiting: Operation[] = []
  #running: Promise<void> | undefined
  #closed = false
  #staging: Staging | undefined
  #fault: string | undefined

  constructor(options: CommitQueueOptions) {
    this.#options = options
  }

  /** What is on its way to the disk now. */
  get inFlight(): Staging | undefined {
    return this.#staging
  }

  /** Why the disk did not take the last commit; undefined when it did. */
  get fault(): string | undefined {
    return this.#fault
  }

  /**
   * Runs `stage` with the next commit. `stage` must either throw or stage completely. What it returns is called as soon
   * as the commit is durable and visible, before anything else can change. Then this resolves with its result;
   * `spread` resolves once peers have the commit too.
   */
  submit<T>(stage: (staging: Staging) => () => T): Promise<{ result: T; spread: Promise<void> }> {
    if (this.#closed) return Promise.reject(errors.unavailable('the store is shutting down'))
    if (this.#waiting.length >= queueLimit)
      return Promise.reject(errors.unavailable('the store has too many writes waiting'))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ stage, resolve: resolve as Operation['resolve'], reject })
      this.#running ??= this.#run()
    })
  }

  /** Waits for everything that was submitted; refuses more. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #run(): Promise<void> {
    // Lets everything that is submitted in this turn of the loop share the first commit.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const operations = this.#waiting.slice(0, batchLimit)
      this.#waiting = this.#waiting.slice(batchLimit)
      await this.#commit(operations)
    }
    this.#running = undefined
  }

  async #commit(operations: readonly Operation[]): Promise<void> {
    const staging = new Staging()
    const staged: { operation: Operation; finish: () => unknown }[] = []
    for (const operation of operations) {
      try {
        staged.push({ operation, finish: operation.stage(staging) })
      } catch (error) {
        operation.reject(error)
      }
    }
    this.#staging = staging
    try {
      if (!staging.isEmpty) {
        await this.#options.disk.commit(staging.toBatch())
        this.#fault = undefined
      }
    } catch (error) {
      this.#staging = undefined
      this.#fault = error instanceof Error ? error.message : String(error)
      this.#options.logger.error({ err: error }, 'store: the disk refused a commit')
      const refusal = errors.unavailable(`the node's disk did not take the write: ${this.#fault}`)
      for (const { operation } of staged) operation.reject(refusal)
      return
    }
    this.#staging = undefined
    const spread = this.#options.publish(staging)
    for (const { operation, finish } of staged) {
      try {
        operation.resolve({ result: finish(), spread })
      } catch (error) {
        operation.reject(error)
      }
    }
  }
}
