import type { Clock, Timer } from '../../lib/clock.ts'
import type { Exec } from '../exec.ts'
import type { Family } from '../family.ts'
import type { Logger } from '../../lib/log.ts'
import { findDrift, type Drift } from './audit.ts'
import type { Ruleset } from './ruleset.ts'

/** Changes that arrive together go to the kernel together. */
const gatherMs = 20
const smallestRetryMs = 100
const largestRetryMs = 10_000
const auditIntervalMs = 30_000
/** Reading tens of thousands of elements takes the kernel seconds: at most 2 % of the time goes into it. */
const auditRestFactor = 50
const nftTimeoutMs = 30_000

export interface Applier {
  /** Something in the ruleset has changed; it reaches the kernel soon. */
  changed(): void
  /** Resolves when the kernel has everything that changed before the call; rejects when it refused. */
  flush(): Promise<void>
  /** Compares now, as the periodic audit does. Returns what it found and repaired. */
  audit(): Promise<Drift>
  start(): Promise<void>
  /** Leaves the rules in place: connections go on while the agent restarts. */
  stop(): Promise<void>
  /** Removes the table. */
  remove(): Promise<void>
}

/**
 * Brings a ruleset into the kernel by `nft -f`: whole at start, by differences then, whole again after any error or
 * drift. One run at a time; each is one transaction.
 */
export function createApplier(options: {
  family: Family
  table: string
  ruleset: Ruleset
  exec: Exec
  clock: Clock
  logger: Logger
  /** Called before each run, to bring the ruleset up to date. */
  prepare(): void
  /** Called after each run that changed the kernel's rules. */
  onApplied(): void
  /** The audit found the kernel's rules changed by somebody else, and put them right. */
  onDrift(drift: Drift): void
}): Applier {
  const { table, ruleset, exec, clock, logger } = options
  let whole = true
  let retryMs = smallestRetryMs
  let timer: Timer | undefined
  let auditTimer: Timer | undefined
  let running: Promise<unknown> = Promise.resolve()
  let stopped = true

  /** Runs after everything before it, whether that failed or not. */
  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = running.then(run, run)
    running = result.catch(() => {})
    return result
  }

  async function nft(args: readonly string[], input?: string): Promise<string> {
    const result = await exec('nft', args, { input, timeoutMs: nftTimeoutMs })
    if (result.code !== 0) throw new Error(`nft ${args.join(' ')}: ${result.stderr.trim().slice(0, 2_000)}`)
    return result.stdout
  }

  async function apply(): Promise<void> {
    options.prepare()
    const text = whole ? ruleset.takeAll() : ruleset.takeDelta()
    if (text === '') return
    // Until the kernel has accepted it, nothing is known of what it has.
    whole = true
    await nft(['-f', '-'], text)
    whole = false
    retryMs = smallestRetryMs
    options.onApplied()
  }

  async function applyOrRetry(): Promise<void> {
    try {
      await inTurn(apply)
    } catch (error) {
      logger.error({ error: (error as Error).message, retryMs }, 'the service rules could not be applied')
      const delayMs = retryMs
      retryMs = Math.min(2 * retryMs, largestRetryMs)
      schedule(delayMs)
    }
  }

  function schedule(delayMs: number): void {
    if (stopped || timer) return
    timer = clock.after(delayMs, () => {
      timer = undefined
      void applyOrRetry()
    })
  }

  function audit(): Promise<Drift> {
    return inTurn(async () => {
      await apply()
      const result = await exec('nft', ['-j', 'list', 'table', options.family.name, table], { timeoutMs: nftTimeoutMs })
      const drift = result.code === 0 ? findDrift(result.stdout, table, ruleset.view) : ['the table is missing']
      if (drift.length > 0) {
        whole = true
        await apply()
        options.onDrift(drift)
      }
      return drift
    })
  }

  async function auditRound(): Promise<void> {
    const beganMs = clock.monotonicMs()
    try {
      await audit()
    } catch (error) {
      logger.warn({ error: (error as Error).message }, 'the service rules could not be audited')
    }
    const restMs = Math.max(auditIntervalMs, auditRestFactor * (clock.monotonicMs() - beganMs))
    if (!stopped) auditTimer = clock.after(restMs, () => void auditRound())
  }

  return {
    changed: () => schedule(gatherMs),
    flush: () => inTurn(apply),
    audit,
    async start() {
      stopped = false
      await applyOrRetry()
      auditTimer = clock.after(auditIntervalMs, () => void auditRound())
    },
    async stop() {
      stopped = true
      timer?.cancel()
      auditTimer?.cancel()
      await running
    },
    async remove() {
      await inTurn(() =>
        nft(['-f', '-'], `add table ${options.family.name} ${table}\ndelete table ${options.family.name} ${table}\n`),
      )
      whole = true
    },
  }
}
