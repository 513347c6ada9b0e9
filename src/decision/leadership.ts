import type { Logger } from '../lib/log.ts'

type Run = (term: number, signal: AbortSignal) => void

/** Turns "leads or not" into runs that begin, and are aborted. */
export class Leadership {
  readonly #logger: Logger
  readonly #runs: Run[] = []
  #current: { term: number; controller: AbortController } | undefined

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** `run` is called now if this node leads already. */
  onLeadership(run: Run): void {
    this.#runs.push(run)
    if (this.#current) this.#call(run, this.#current)
  }

  /** @param term in which this node surely leads alone; undefined: it does not, or cannot be sure. */
  update(term: number | undefined): void {
    if (this.#current?.term === term) return
    const ended = this.#current
    this.#current = undefined
    if (ended) {
      this.#logger.info({ term: ended.term }, 'no longer leads the decision log')
      ended.controller.abort()
    }
    if (term === undefined) return
    this.#logger.info({ term }, 'leads the decision log')
    const begun = { term, controller: new AbortController() }
    this.#current = begun
    for (const run of this.#runs) this.#call(run, begun)
  }

  #call(run: Run, { term, controller }: { term: number; controller: AbortController }): void {
    try {
      run(term, controller.signal)
    } catch (error) {
      this.#logger.error({ err: error, term }, 'work of the leader could not be started')
    }
  }
}
