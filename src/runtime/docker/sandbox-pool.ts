import type { Clock, Timer } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { poolNamePrefix } from '../container-names.ts'

export interface SandboxPoolOptions {
  /** 0 turns the pool off; what an earlier run left is removed then. */
  readonly size: number
  readonly clock: Clock
  readonly logger: Logger
  list(): Promise<{ id: string; name: string; running: boolean }[]>
  /** Process id of a sandbox that runs. */
  pid(id: string): Promise<number>
  /** Creates and starts one sandbox of that name. */
  create(name: string): Promise<string>
  remove(id: string): Promise<void>
}

export interface PooledSandbox {
  readonly id: string
  readonly pid: number
}

/** Sandboxes that run already and belong to no pod. Binding one saves the slow half of a pod's start. */
export interface SandboxPool {
  /** One sandbox, which is the caller's from now on; undefined when none is ready. */
  take(): PooledSandbox | undefined
  /** Brings the pool to its size, once nothing has been taken for a while. */
  fill(): Promise<void>
  close(): Promise<void>
}

/** Refilling competes with the pods that are being started: it waits until they are through. */
const idleBeforeRefillMs = 1_000

/** Wait after a failed refill. */
const retryMs = 15_000

export function createSandboxPool(options: SandboxPoolOptions): SandboxPool {
  const { size, clock, logger } = options
  const ready: PooledSandbox[] = []
  let adopted = false
  let closed = false
  let timer: Timer | undefined
  let filling: Promise<void> | undefined

  /** What an earlier run of the agent left in the pool is used, or removed when it has stopped. */
  async function adopt(): Promise<void> {
    for (const { id, name, running } of await options.list()) {
      if (!name.startsWith(poolNamePrefix) || ready.some((one) => one.id === id)) continue
      if (running && ready.length < size) ready.push({ id, pid: await options.pid(id) })
      else await options.remove(id)
    }
    adopted = true
  }

  const isOpen = (): boolean => !closed

  async function refill(): Promise<void> {
    if (!adopted) await adopt()
    while (isOpen() && ready.length < size) {
      const id = await options.create(`${poolNamePrefix}${clock.nowMs().toString(36)}_${ready.length}`)
      ready.push({ id, pid: await options.pid(id) })
    }
  }

  function fill(): Promise<void> {
    if (closed) return Promise.resolve()
    filling ??= refill()
      .catch((error: unknown) => {
        logger.debug({ error }, 'sandbox pool could not be filled')
        schedule(retryMs)
      })
      .finally(() => {
        filling = undefined
      })
    return filling
  }

  function schedule(delayMs: number): void {
    timer?.cancel()
    if (!closed) timer = clock.after(delayMs, () => void fill())
  }

  return {
    take() {
      const sandbox = ready.shift()
      if (size > 0) schedule(idleBeforeRefillMs)
      return sandbox
    },
    fill,
    async close() {
      closed = true
      timer?.cancel()
      await filling
    },
  }
}
