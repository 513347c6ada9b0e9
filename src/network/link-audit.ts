import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'

const intervalMs = 30_000

/** Something that compares the kernel with what it should be, repairs, and says in words what was wrong. */
export interface Auditable {
  audit(): Promise<readonly string[]>
}

/** Looks now and then whether somebody changed links, routes or settings by hand; the service rules have their own audit. */
export function createLinkAudit(options: {
  /** In the order in which they are repaired: routes need links. */
  parts: readonly Auditable[]
  clock: Clock
  logger: Logger
  onDrift(drift: readonly string[]): void
}): Service & Auditable {
  const { parts, clock, logger } = options
  let timer: Timer | undefined
  let running: Promise<readonly string[]> = Promise.resolve([])
  let stopped = true

  async function look(): Promise<readonly string[]> {
    const drift: string[] = []
    for (const part of parts) {
      try {
        drift.push(...(await part.audit()))
      } catch (error) {
        // The next round looks again; the other parts must not wait for that.
        logger.warn({ error: (error as Error).message }, 'links, routes or settings could not be examined or repaired')
      }
    }
    if (drift.length > 0) options.onDrift(drift)
    return drift
  }

  const audit = (): Promise<readonly string[]> => (running = running.then(look))

  function schedule(): void {
    timer = clock.after(intervalMs, async () => {
      await audit()
      if (!stopped) schedule()
    })
  }

  return {
    audit,
    async start() {
      stopped = false
      schedule()
    },
    async stop() {
      stopped = true
      timer?.cancel()
      await running
    },
  }
}
