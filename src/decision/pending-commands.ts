import { errors } from '../api/status-error.ts'
import type { CommandResult } from './cluster-state.ts'

interface Pending {
  id: string
  term: number
  settle: (result: CommandResult) => void
  fail: (error: Error) => void
}

/** On the leader: commands in the log that are not applied yet, by their position. */
export class PendingCommands {
  readonly #byIndex = new Map<number, Pending>()
  readonly #byId = new Map<string, Promise<CommandResult>>()

  get size(): number {
    return this.#byIndex.size
  }

  /** The same command, proposed by an earlier attempt. */
  find(id: string): Promise<CommandResult> | undefined {
    return this.#byId.get(id)
  }

  /**
   * Resolves with what is applied at this position, if that is the entry of this term; rejects with 503 when another
   * entry took its place, so that this one can never be committed.
   */
  add(id: string, at: { index: number; term: number }): Promise<CommandResult> {
    const promise = new Promise<CommandResult>((resolve, reject) => {
      this.#byIndex.set(at.index, { id, term: at.term, settle: resolve, fail: reject })
    })
    this.#byId.set(id, promise)
    promise.catch(() => {})
    return promise
  }

  applied(index: number, term: number, result: CommandResult | undefined): void {
    const pending = this.#take(index)
    if (!pending) return
    if (pending.term === term && result) pending.settle(result)
    else pending.fail(errors.unavailable('the leader changed before the write was committed'))
  }

  /** A snapshot passed over these positions: only remembered results tell what became of them. */
  skippedTo(index: number, results: ReadonlyMap<string, CommandResult>): void {
    for (const at of this.#byIndex.keys().toArray()) {
      if (at > index) continue
      const pending = this.#take(at)
      const result = pending && results.get(pending.id)
      if (result) pending.settle(result)
      else pending?.fail(errors.unknownOutcome('the leader changed, the outcome of the write is unknown'))
    }
  }

  failAll(error: Error): void {
    for (const index of this.#byIndex.keys().toArray()) this.#take(index)?.fail(error)
  }

  #take(index: number): Pending | undefined {
    const pending = this.#byIndex.get(index)
    if (!pending) return undefined
    this.#byIndex.delete(index)
    this.#byId.delete(pending.id)
    return pending
  }
}
