import { seededRandom } from '../../src/lib/seeded-random.ts'
import type { Node, Pod } from '../../src/api/kinds.ts'
import { refs } from '../../src/client/client.ts'
import { systemClock } from '../../src/lib/system.ts'
import { silentLogger } from '../../src/lib/log.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { runScheduler } from '../../src/scheduler/scheduler.ts'
import { fakeApi, type FakeApi } from '../../src/scheduler/testing/fake-api.ts'
import { makeNodes, type Workload } from './workloads.ts'

export interface Figures {
  readonly name: string
  readonly pods: number
  readonly seconds: number
  readonly podsPerSecond: number
  /** Processor time of the whole process; below `seconds` where other work has the machine. */
  readonly cpuSeconds: number
  readonly attempts: number
  /** Milliseconds of one attempt: everything between taking a pod and having decided. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly floor: number | undefined
}

/** A pod that nobody places in this time is a failure of the bench. */
const patienceMs = 300_000

/**
 * Runs the whole scheduler (queue, decisions, bindings, preemption) against an API in memory, and measures from the
 * moment the pods are there until all have a node. Back-off of preemption passes at once: it is no work.
 */
export async function measure(workload: Workload): Promise<Figures> {
  const api = fakeApi()
  for (const node of makeNodes(workload.nodeCount)) api.informers.put(refs.nodes, node)
  const attemptsMs: number[] = []
  const abort = new AbortController()
  const clock = hastyClock()
  const running = runScheduler(
    {
      client: api.client,
      informers: api.informers,
      events: { event() {} },
      clock,
      random: seededRandom(7),
      logger: silentLogger,
      onAttempt: (ms) => attemptsMs.push(ms),
    },
    abort.signal,
  )
  await place(api, clock, workload.initial)
  attemptsMs.length = 0
  const cpuBefore = process.cpuUsage()
  const startMs = performance.now()
  await place(api, clock, workload.measured, churnOf(api, workload))
  const seconds = (performance.now() - startMs) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  abort.abort()
  await running
  const sorted = attemptsMs.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return {
    name: workload.name,
    pods: workload.measured.length,
    seconds,
    podsPerSecond: workload.measured.length / seconds,
    cpuSeconds: (user + system) / 1e6,
    attempts: attemptsMs.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    floor: workload.floor,
  }
}

/** Puts the pods and resolves once each has a node; `onPlaced` is called at each. */
async function place(
  api: FakeApi,
  clock: HastyClock,
  pods: readonly Pod[],
  onPlaced: (count: number) => void = () => {},
): Promise<void> {
  const missing = new Set(pods.map(({ metadata }) => metadata.uid))
  const endMs = performance.now() + patienceMs
  let placed = 0
  const stop = api.informers.for<Pod>(refs.pods).onChange(({ object }) => {
    if (object?.spec?.nodeName && missing.delete(object.metadata.uid)) placed++
  })
  for (const pod of pods) api.informers.put(refs.pods, pod)
  let told = 0
  while (missing.size > 0) {
    if (performance.now() > endMs) throw new Error(`${missing.size} of ${pods.length} pods were not placed in time`)
    await clock.turn()
    for (; told < placed; told++) onPlaced(told)
  }
  stop()
}

function churnOf(api: FakeApi, { churnEvery, initial, nodeCount }: Workload): (count: number) => void {
  if (churnEvery === undefined) return () => {}
  return (count) => {
    if (count % churnEvery !== 0) return
    const victim = initial[count / churnEvery]
    if (victim) api.informers.remove(refs.pods, victim.metadata.namespace ?? '', victim.metadata.name ?? '')
    const name = `node-${count % nodeCount}`
    const node = api.informers.for<Node>(refs.nodes).get('', name)
    if (!node) return
    const labels = { ...node.metadata.labels, turn: String(count) }
    api.informers.put(refs.nodes, { ...node, metadata: { ...node.metadata, labels } } as Node)
  }
}

interface HastyClock extends Clock {
  turn(): Promise<void>
}

/** Real time for work; a wait passes as soon as there is nothing else to do. */
function hastyClock(): HastyClock {
  let timers: { atMs: number; run: () => void }[] = []
  let skippedMs = 0
  const monotonicMs = (): number => systemClock.monotonicMs() + skippedMs
  return {
    nowMs: () => systemClock.nowMs() + skippedMs,
    monotonicMs,
    after(delayMs, run) {
      const timer = { atMs: monotonicMs() + delayMs, run }
      timers.push(timer)
      return { cancel: () => void (timers = timers.filter((one) => one !== timer)) }
    },
    async turn() {
      await new Promise((resolve) => setImmediate(resolve))
      const next = timers.toSorted((a, b) => a.atMs - b.atMs)[0]
      if (!next) return
      skippedMs += Math.max(0, next.atMs - monotonicMs())
      timers = timers.filter((one) => one !== next)
      next.run()
    },
  }
}
