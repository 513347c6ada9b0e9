import type { Clock, Timer } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Service } from '../../lib/service.ts'
import type { ContainerRuntime, RuntimeContainer } from '../../runtime/runtime.ts'

export interface RuntimeObserverOptions {
  readonly runtime: ContainerRuntime
  readonly clock: Clock
  readonly logger: Logger
  /** Something about this pod's containers has changed. */
  readonly onChange: (podUid: string) => void
  /** The runtime answers again, or no more (with the error). */
  readonly onHealth: (error: Error | undefined) => void
}

/** What runs on this node, kept current by the runtime's events and listed anew from time to time. */
export interface RuntimeObserver extends Service {
  /** Undefined until the runtime has been listed for the first time: nothing may be concluded from absence before. */
  pods(): ReadonlySet<string> | undefined
  of(podUid: string): readonly RuntimeContainer[]
  /** Ids of containers that have not ended, with their pods' uids; undefined until the runtime has been listed. */
  live(): ReadonlyMap<string, string> | undefined
  /** Resolves once the container does not run, or the signal fires. */
  ended(id: string, signal: AbortSignal): Promise<void>
  /** Looks at one container now. */
  refresh(id: string): Promise<RuntimeContainer | undefined>
}

const relistMs = 60_000
/** A first relist soon after the stream opens catches what happened while it was opening. */
const settleMs = 1_000
const firstRetryMs = 250
const lastRetryMs = 10_000

export function createRuntimeObserver(options: RuntimeObserverOptions): RuntimeObserver {
  const { runtime, clock, logger } = options
  const stopping = new AbortController()
  const containers = new Map<string, RuntimeContainer>()
  /** The same by pod: every decision asks for those of one. */
  const byPod = new Map<string, Map<string, RuntimeContainer>>()
  /** By container: those who wait for its end. */
  const waiting = new Map<string, Set<() => void>>()
  const inFlight = new Map<string, { again: boolean }>()
  /** By container: when the look began whose answer counts. Answers overtake each other; an older one must not win. */
  const lookedAt = new Map<string, number>()
  /** Looks that have not answered. */
  const open = new Set<number>()
  let looks = 0
  let listed = false
  let timer: Timer | undefined
  let loop: Promise<void> | undefined

  function put(id: string, container: RuntimeContainer | undefined): void {
    const before = containers.get(id)
    if (container === undefined) forget(id, before)
    else keep(id, container)
    if (container?.state !== 'running') waiting.get(id)?.forEach((tell) => tell())
    const uids = new Set([before?.pod.uid, container?.pod.uid])
    if (JSON.stringify(before) === JSON.stringify(container)) return
    for (const uid of uids) if (uid !== undefined) options.onChange(uid)
  }

  function keep(id: string, container: RuntimeContainer): void {
    containers.set(id, container)
    const { uid } = container.pod
    const pod = byPod.get(uid) ?? new Map<string, RuntimeContainer>()
    byPod.set(uid, pod.set(id, container))
  }

  function forget(id: string, before: RuntimeContainer | undefined): void {
    containers.delete(id)
    const uid = before?.pod.uid ?? ''
    const pod = byPod.get(uid)
    pod?.delete(id)
    if (pod?.size === 0) byPod.delete(uid)
  }

  /** Takes what was seen by a look that began as the given one, unless a later look has answered before. */
  function take(id: string, look: number, container: RuntimeContainer | undefined): void {
    if ((lookedAt.get(id) ?? 0) > look) return
    lookedAt.set(id, look)
    put(id, container)
  }

  async function refresh(id: string): Promise<RuntimeContainer | undefined> {
    const look = ++looks
    open.add(look)
    try {
      const container = await runtime.inspect(id, stopping.signal)
      take(id, look, container)
      return container
    } finally {
      open.delete(look)
    }
  }

  /** Many events of one container cost one look at a time. */
  async function touched(id: string): Promise<void> {
    const current = inFlight.get(id)
    if (current !== undefined) {
      current.again = true
      return
    }
    const mine = { again: true }
    inFlight.set(id, mine)
    try {
      while (mine.again && !stopping.signal.aborted) {
        mine.again = false
        await refresh(id)
      }
    } catch (error) {
      logger.debug({ error, container: id }, 'container could not be inspected; the next listing will show it')
    } finally {
      inFlight.delete(id)
    }
  }

  async function relist(): Promise<void> {
    const look = ++looks
    const found = await runtime.list(stopping.signal)
    const ids = new Set(found.map((one) => one.id))
    const uids = new Set(found.map((one) => one.pod.uid))
    const first = !listed
    listed = true
    // A container that was made while the list was made is not in it, and is there all the same.
    for (const id of containers.keys()) if (!ids.has(id)) take(id, look, undefined)
    for (const container of found) take(container.id, look, container)
    // What is gone is remembered for as long as an older look may still show it.
    const oldest = Math.min(look, ...open)
    for (const [id, at] of lookedAt) if (at <= oldest && !containers.has(id)) lookedAt.delete(id)
    if (first) for (const uid of uids) options.onChange(uid)
  }

  function scheduleRelist(delayMs: number): void {
    timer?.cancel()
    timer = clock.after(delayMs, () => {
      relist()
        .catch((error: unknown) => logger.debug({ error }, 'containers could not be listed'))
        .finally(() => {
          if (!stopping.signal.aborted) scheduleRelist(relistMs)
        })
    })
  }

  async function watch(): Promise<void> {
    let retryMs = firstRetryMs
    while (!stopping.signal.aborted) {
      try {
        const events = runtime.events(stopping.signal)
        const iterator = events[Symbol.asyncIterator]()
        let next = iterator.next()
        // The answer is awaited below; a failure before that must not be an unhandled rejection.
        next.catch(() => {})
        await relist()
        scheduleRelist(settleMs)
        options.onHealth(undefined)
        retryMs = firstRetryMs
        for (let event = await next; !event.done; event = await next) {
          void touched(event.value.containerId)
          next = iterator.next()
        }
      } catch (error) {
        if (stopping.signal.aborted) return
        options.onHealth(error as Error)
        logger.warn({ error: (error as Error).message, retryMs }, 'container runtime does not answer')
      }
      timer?.cancel()
      if (stopping.signal.aborted) return
      await pause(retryMs)
      retryMs = Math.min(retryMs * 2, lastRetryMs)
    }
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wait = clock.after(ms, resolve)
      stopping.signal.addEventListener(
        'abort',
        () => {
          wait.cancel()
          resolve()
        },
        { once: true },
      )
    })
  }

  return {
    async start() {
      loop = watch()
    },
    async stop() {
      stopping.abort()
      timer?.cancel()
      await loop
    },
    pods: () => (listed ? new Set(byPod.keys()) : undefined),
    of: (podUid) => [...(byPod.get(podUid)?.values() ?? [])],
    live() {
      if (!listed) return undefined
      const found = new Map<string, string>()
      for (const { id, role, state, pod } of containers.values()) {
        if (role === 'container' && state !== 'exited') found.set(id, pod.uid)
      }
      return found
    },
    ended(id, signal) {
      if (containers.get(id)?.state !== 'running' || signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const waiters = waiting.get(id) ?? new Set()
        const tell = (): void => {
          signal.removeEventListener('abort', tell)
          waiters.delete(tell)
          if (waiters.size === 0) waiting.delete(id)
          resolve()
        }
        waiting.set(id, waiters.add(tell))
        signal.addEventListener('abort', tell, { once: true })
      })
    },
    refresh,
  }
}
