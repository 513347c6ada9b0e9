import type { Clock, Timer } from '../../lib/clock.ts'
import { underSignals } from '../../lib/under-signals.ts'
import { labelKeys } from '../container-names.ts'
import { channel } from '../../streams/channels.ts'
import {
  RuntimeError,
  type ContainerConfig,
  type ContainerRuntime,
  type ExecResult,
  type LogEntry,
  type RuntimeContainer,
  type RuntimeEvent,
  type RuntimeImage,
} from '../runtime.ts'

/** What a container's process does. */
export interface Behaviour {
  /** Ends by itself after this long; absent: it runs until it is stopped. */
  readonly exitAfterMs?: number
  readonly exitCode?: number
  readonly oomKilled?: boolean
  /** Time between the stop signal and the end; more than the grace period means SIGKILL. */
  readonly stopAfterMs?: number
  /** The container cannot be started, with this error. */
  readonly startError?: string
  readonly output?: readonly string[]
}

export interface SimulatedRuntimeOptions {
  readonly clock: Clock
  readonly images?: readonly string[]
  /** Images that a pull finds. */
  readonly registry?: readonly string[]
  /** Default: runs for ever, and ends at once when stopped, with code 0. */
  readonly behaviour?: (config: ContainerConfig) => Behaviour
  readonly exec?: (command: readonly string[], container: RuntimeContainer) => ExecResult
  /** Duration of each call that does something. Default 0. */
  readonly latencyMs?: number
}

/** A machine's containers in memory and in the clock's time: for tests, and for clusters of many nodes in one process. */
export interface SimulatedRuntime extends ContainerRuntime {
  /** Ends a container from outside, as a crash or the OOM killer would. */
  crash(id: string, exitCode: number, oomKilled?: boolean): void
  /** While it is set, every call fails as if the daemon were gone. */
  setReachable(reachable: boolean): void
}

interface Entry {
  container: RuntimeContainer
  readonly config?: ContainerConfig
  behaviour: Behaviour
  timer?: Timer
  readonly log: LogEntry[]
  readonly waiters: (() => void)[]
}

const maxLogEntries = 1_000

export function createSimulatedRuntime(options: SimulatedRuntimeOptions): SimulatedRuntime {
  const { clock } = options
  const entries = new Map<string, Entry>()
  const images = new Map<string, RuntimeImage>()
  const listeners = new Set<(event: RuntimeEvent | Error) => void>()
  let nextId = 1
  let reachable = true

  const imageOf = (name: string): RuntimeImage => ({
    id: `sha256:${Buffer.from(name).toString('hex').padEnd(64, '0').slice(0, 64)}`,
    tags: [name],
    digests: [],
    sizeBytes: 1_000_000,
    user: '',
    env: [],
    entrypoint: [],
    command: ['/bin/main'],
  })
  for (const name of options.images ?? []) images.set(name, imageOf(name))

  async function reach(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (!reachable) throw new RuntimeError('unreachable', 'the simulated daemon is away')
    if (options.latencyMs) await new Promise<void>((resolve) => clock.after(options.latencyMs ?? 0, resolve))
  }

  function entryOf(id: string): Entry {
    const entry = entries.get(id)
    if (entry === undefined) throw new RuntimeError('not-found', `No such container: ${id}`)
    return entry
  }

  function change(entry: Entry, update: Partial<RuntimeContainer>): void {
    entry.container = { ...entry.container, ...update }
    tell(entry.container.id)
  }

  const tell = (containerId: string): void => listeners.forEach((listener) => listener({ containerId }))

  function end(entry: Entry, exitCode: number, oomKilled = false): void {
    entry.timer?.cancel()
    if (entry.container.state !== 'running') return
    change(entry, { state: 'exited', pid: 0, exitCode, oomKilled, finishedAtMs: clock.nowMs() })
    for (const wake of entry.waiters.splice(0)) wake()
  }

  const ended = (entry: Entry): Promise<void> =>
    entry.container.state === 'running' ? new Promise((resolve) => entry.waiters.push(resolve)) : Promise.resolve()

  const blank = (id: string): RuntimeContainer => ({
    id,
    role: 'container',
    pod: { name: '', namespace: '', uid: '' },
    sandboxId: '',
    name: '',
    attempt: 0,
    state: 'created',
    pid: 0,
    createdAtMs: clock.nowMs(),
    startedAtMs: 0,
    finishedAtMs: 0,
    exitCode: 0,
    oomKilled: false,
    error: '',
    imageRef: '',
    imageId: '',
    labels: {},
    pooled: false,
    user: '',
  })

  const newId = (): string => (nextId++).toString(16).padStart(64, '0')
  const pidOf = (id: string): number => 10_000 + Number.parseInt(id, 16)

  async function start(id: string): Promise<RuntimeContainer> {
    await reach()
    const entry = entryOf(id)
    if (entry.container.state === 'running') return entry.container
    const { behaviour } = entry
    if (behaviour.startError !== undefined) {
      const now = clock.nowMs()
      change(entry, { state: 'exited', exitCode: 127, error: behaviour.startError, finishedAtMs: now })
      throw new RuntimeError('failed', behaviour.startError)
    }
    change(entry, { state: 'running', pid: pidOf(id), startedAtMs: clock.nowMs() })
    for (const line of behaviour.output ?? []) write(entry, line)
    if (behaviour.exitAfterMs !== undefined) {
      const run = (): void => end(entry, behaviour.exitCode ?? 0, behaviour.oomKilled)
      entry.timer = clock.after(behaviour.exitAfterMs, run)
    }
    return entry.container
  }

  function write(entry: Entry, line: string): void {
    if (entry.log.length >= maxLogEntries) entry.log.shift()
    const timestamp = new Date(clock.nowMs()).toISOString().replace('Z', '000000Z')
    entry.log.push({ stream: 'stdout', timestamp, data: Buffer.from(`${line}\n`) })
  }

  return {
    async version() {
      await reach()
      return { name: 'simulated', version: '1.0.0', apiVersion: '1.41' }
    },
    async list(signal) {
      await reach(signal)
      return [...entries.values()].map((entry) => entry.container)
    },
    async inspect(id, signal) {
      await reach(signal)
      return entries.get(id)?.container
    },
    async *events(signal) {
      const queue: (RuntimeEvent | Error)[] = []
      let wake: (() => void) | undefined
      const listener = (event: RuntimeEvent | Error): void => {
        queue.push(event)
        wake?.()
      }
      const abort = (): void => wake?.()
      listeners.add(listener)
      signal.addEventListener('abort', abort, { once: true })
      try {
        await reach(signal)
        while (!signal.aborted) {
          const event = queue.shift()
          if (event instanceof Error) throw event
          if (event !== undefined) yield event
          else
            await new Promise<void>((resolve) => {
              wake = resolve
            })
        }
      } finally {
        listeners.delete(listener)
        signal.removeEventListener('abort', abort)
      }
    },
    async runSandbox(config, signal) {
      await reach(signal)
      const id = newId()
      const now = clock.nowMs()
      const container: RuntimeContainer = {
        ...blank(id),
        role: 'sandbox',
        pod: config.pod,
        attempt: config.attempt,
        state: 'running',
        pid: pidOf(id),
        startedAtMs: now,
      }
      entries.set(id, { container, behaviour: {}, log: [], waiters: [] })
      tell(id)
      return container
    },
    async createContainer(config, signal) {
      await reach(signal)
      const known = [...images.values()].some((image) => image.id === config.image || image.tags.includes(config.image))
      if (!known) throw new RuntimeError('not-found', `No such image: ${config.image}`)
      const id = newId()
      const container: RuntimeContainer = {
        ...blank(id),
        pod: config.pod,
        sandboxId: config.sandboxId,
        name: config.name,
        attempt: config.attempt,
        imageRef: config.imageRef,
        imageId: config.image,
        labels: { ...config.labels, [labelKeys.resources]: JSON.stringify(config.resources) },
        user: config.user ?? '',
      }
      entries.set(id, { container, config, behaviour: options.behaviour?.(config) ?? {}, log: [], waiters: [] })
      tell(id)
      return id
    },
    start,
    async stop(id, graceMs) {
      await reach()
      const entry = entries.get(id)
      if (entry === undefined || entry.container.state !== 'running') return
      const stopAfterMs = entry.behaviour.stopAfterMs ?? 0
      const killed = stopAfterMs > graceMs
      clock.after(Math.min(stopAfterMs, graceMs), () => end(entry, killed ? 137 : (entry.behaviour.exitCode ?? 0)))
      await ended(entry)
    },
    async remove(id) {
      await reach()
      const entry = entries.get(id)
      if (entry === undefined) return
      end(entry, 137)
      entries.delete(id)
      tell(id)
    },
    async updateResources(id) {
      await reach()
      entryOf(id)
    },
    async stats(id) {
      await reach()
      const { container } = entryOf(id)
      const runMs = container.startedAtMs === 0 ? 0 : clock.nowMs() - container.startedAtMs
      return {
        timestampMs: clock.nowMs(),
        cpuNanos: runMs * 1_000,
        memoryUsageBytes: 1 << 20,
        memoryWorkingSetBytes: 1 << 20,
        memoryRssBytes: 1 << 20,
        pageFaults: 0,
        majorPageFaults: 0,
        pids: 1,
      }
    },
    async *logs(id, logOptions, signal) {
      await reach(signal)
      const entry = entryOf(id)
      const all = entry.log.filter(
        (one) => logOptions.sinceMs === undefined || Date.parse(one.timestamp) >= logOptions.sinceMs,
      )
      const chosen =
        logOptions.tailLines === undefined ? all : all.slice(all.length - Math.min(all.length, logOptions.tailLines))
      if (logOptions.stdout) yield* chosen
      if (!logOptions.follow) return
      await underSignals([signal], (left) => Promise.race([ended(entry), aborted(left)]))
    },
    async exec(id, command, streams, channels) {
      await reach()
      const { container } = entryOf(id)
      const result = options.exec?.(command, container) ?? { exitCode: 0, output: '' }
      if (streams.stdout) await channels.write(channel.stdout, Buffer.from(result.output))
      return result.exitCode
    },
    async execSync(id, command, maxOutputBytes, signal) {
      await reach(signal)
      const { container } = entryOf(id)
      if (container.state !== 'running') throw new RuntimeError('conflict', `Container ${id} is not running`)
      const result = options.exec?.(command, container) ?? { exitCode: 0, output: '' }
      return { ...result, output: result.output.slice(0, maxOutputBytes) }
    },
    async attach(id, _streams, channels, signal) {
      await reach(signal)
      const entry = entryOf(id)
      if (entry.container.state !== 'running') throw new RuntimeError('failed', `container ${id} is not running`)
      await underSignals([signal, channels.closed], (left) => Promise.race([ended(entry), aborted(left)]))
    },
    async image(reference) {
      await reach()
      return images.get(reference) ?? [...images.values()].find((one) => one.id === reference)
    },
    async images() {
      await reach()
      return [...images.values()]
    },
    async pull(reference, _auth, onProgress, signal) {
      await reach(signal)
      if (!options.registry?.includes(reference)) {
        throw new RuntimeError('not-found', `manifest for ${reference} not found: manifest unknown`)
      }
      onProgress({ status: 'Download complete', layer: '', currentBytes: 1, totalBytes: 1 })
      const image = imageOf(reference)
      images.set(reference, image)
      return image
    },
    async load(archive) {
      await reach()
      const chunks: Uint8Array[] = []
      for await (const chunk of archive) chunks.push(chunk)
      const name = Buffer.concat(chunks).toString('utf8').trim()
      if (name === '') throw new RuntimeError('invalid', 'the archive holds no image')
      images.set(name, imageOf(name))
      return [name]
    },
    async *save(reference) {
      await reach()
      if (!images.has(reference)) throw new RuntimeError('not-found', `No such image: ${reference}`)
      yield Buffer.from(reference)
    },
    async *files() {
      await reach()
      // An archive that holds nothing ends with two empty blocks.
      yield new Uint8Array(1_024)
    },
    async removeImage(reference) {
      await reach()
      images.delete(reference)
    },
    async close() {},
    crash: (id, exitCode, oomKilled) => end(entryOf(id), exitCode, oomKilled),
    setReachable(value) {
      reachable = value
      if (!value)
        listeners.forEach((listener) => listener(new RuntimeError('unreachable', 'the simulated daemon went away')))
    },
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
