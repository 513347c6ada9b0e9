import { readFile, statfs } from 'node:fs/promises'
import type { Pod } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import type { ContainerStats, PodIdentity, RuntimeContainer } from '../../runtime/runtime.ts'
import { must } from '../../lib/assert.ts'
import { timeText } from '../core/container-status.ts'
import type { PodContext } from '../pod/pod-context.ts'
import { stallReader, type ContainerStalls, type Stalls } from './stalls.ts'

/** Containers asked for their figures at a time. */
const concurrency = 8

interface Sample extends ContainerStats {
  /** Cores used since the sample before, in 10⁻⁹. */
  readonly cpuRateNanos: number
  readonly stalls: ContainerStalls | undefined
}

/** What a node, a pod or a container uses. Rates are over the time since the figures before. */
export interface ResourceUse {
  readonly cpu: {
    readonly time: string
    readonly usageNanoCores: number
    readonly usageCoreNanoSeconds: number
    readonly psi?: Stalls
  }
  readonly memory: {
    readonly time: string
    readonly usageBytes: number
    readonly workingSetBytes: number
    readonly rssBytes: number
    readonly availableBytes?: number
    readonly psi?: Stalls
  }
  readonly io?: { readonly time: string; readonly psi: Stalls }
}

export interface PodUse extends ResourceUse {
  readonly podRef: PodIdentity
  readonly startTime: string
  readonly process_stats: { readonly process_count: number }
  readonly containers: readonly (ResourceUse & { readonly name: string; readonly startTime: string })[]
}

export interface DiskUse {
  readonly time: string
  readonly availableBytes: number
  readonly capacityBytes: number
  readonly usedBytes: number
  readonly inodesFree: number
  readonly inodes: number
  readonly inodesUsed: number
}

/** stats.k8s.io/v1alpha1 Summary: the part that is known here. */
export interface Summary {
  readonly node: ResourceUse & { readonly nodeName: string; readonly startTime: string; readonly fs: DiskUse }
  readonly pods: readonly PodUse[]
}

/** Answers /stats/summary, from which `top` and metrics.k8s.io are made. */
export interface StatsSummary {
  read(signal: AbortSignal): Promise<Summary>
}

/** Rates over less than this say little: who asks sooner gets the figures of before. */
const minWindowMs = 5_000

export function createStatsSummary(context: PodContext): StatsSummary {
  const { options, observer } = context
  const readStalls = stallReader()
  const previous = new Map<string, ContainerStats>()
  let previousNode: { atMs: number; cpuNanos: number } | undefined

  async function sample(container: RuntimeContainer, signal: AbortSignal): Promise<Sample | undefined> {
    try {
      const [stats, stalls] = await Promise.all([
        options.runtime.stats(container.id, signal),
        readStalls(container.pid),
      ])
      const before = previous.get(container.id)
      previous.set(container.id, stats)
      const start = before ?? { timestampMs: container.startedAtMs, cpuNanos: 0 }
      const spanMs = Math.max(1, stats.timestampMs - start.timestampMs)
      const cpuRateNanos = Math.round(((stats.cpuNanos - start.cpuNanos) / spanMs) * 1000)
      return { ...stats, cpuRateNanos: Math.max(0, cpuRateNanos), stalls }
    } catch {
      // It has ended since it was listed.
      return undefined
    }
  }

  async function node(): Promise<Summary['node']> {
    const now = options.clock.nowMs()
    const stat = (await readFile('/proc/stat', 'utf8')).split('\n')[0]?.trim().split(/\s+/).slice(1).map(Number) ?? []
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = stat
    // /proc/stat counts in hundredths of a second (USER_HZ).
    const cpuNanos = (user + nice + system + irq + softirq + steal) * 10_000_000
    const before = previousNode
    previousNode = { atMs: now, cpuNanos }
    const rate = before === undefined ? 0 : ((cpuNanos - before.cpuNanos) / Math.max(1, now - before.atMs)) * 1000
    const memory = await readFile('/proc/meminfo', 'utf8')
    const bytes = (key: string): number =>
      Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(memory)?.[1] ?? 0) * 1024
    const disk = await statfs(options.dataDir)
    const time = timeText(now)
    return {
      nodeName: options.nodeName,
      startTime: time,
      cpu: { time, usageNanoCores: Math.round(Math.max(0, rate)), usageCoreNanoSeconds: cpuNanos },
      memory: {
        time,
        availableBytes: bytes('MemAvailable'),
        usageBytes: bytes('MemTotal') - bytes('MemFree'),
        workingSetBytes: bytes('MemTotal') - bytes('MemAvailable'),
        rssBytes: bytes('AnonPages'),
      },
      fs: {
        time,
        availableBytes: disk.bavail * disk.bsize,
        capacityBytes: disk.blocks * disk.bsize,
        usedBytes: (disk.blocks - disk.bfree) * disk.bsize,
        inodesFree: disk.ffree,
        inodes: disk.files,
        inodesUsed: disk.files - disk.ffree,
      },
    }
  }

  let last: { atMs: number; summary: Promise<Summary> } | undefined
  // The first answer, too, is a rate and not the sum since the machine was started.
  void node().catch(() => {})

  return {
    read(signal) {
      const now = options.clock.monotonicMs()
      if (last !== undefined && now - last.atMs < minWindowMs) return last.summary
      const summary = measure(signal)
      last = { atMs: now, summary }
      summary.catch(() => {
        last = undefined
      })
      return summary
    },
  }

  async function measure(signal: AbortSignal): Promise<Summary> {
    const running = options.informers
      .for<Pod>(refs.pods)
      .list()
      .filter((pod) => pod.spec?.nodeName === options.nodeName)
      .flatMap((pod) => observer.of(pod.metadata.uid ?? ''))
      .filter((one) => one.role === 'container' && one.state === 'running')
    const samples = new Map<string, Sample>()
    const queue = [...running]
    const worker = async (): Promise<void> => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
        const result = await sample(next, signal)
        if (result !== undefined) samples.set(next.id, result)
      }
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
    for (const id of previous.keys()) if (!samples.has(id)) previous.delete(id)
    const byPod = Map.groupBy(running, (one) => one.pod.uid)
    return { node: await node(), pods: [...byPod.values()].map((containers) => podStats(containers, samples)) }
  }
}

function podStats(containers: readonly RuntimeContainer[], samples: ReadonlyMap<string, Sample>): PodUse {
  const known = containers.flatMap((one) => {
    const stats = samples.get(one.id)
    return stats === undefined ? [] : [{ one, stats }]
  })
  const sum = (pick: (stats: Sample) => number): number => known.reduce((total, { stats }) => total + pick(stats), 0)
  const time = timeText(Math.max(0, ...known.map(({ stats }) => stats.timestampMs)))
  const startMs = Math.min(...containers.map((one) => one.startedAtMs))
  return {
    podRef: must(containers[0], 'pods without containers have no figures').pod,
    startTime: timeText(startMs),
    containers: known.map(({ one, stats }) => ({
      name: one.name,
      startTime: timeText(one.startedAtMs),
      ...withStalls(stats.stalls, time, {
        cpu: cpuOf(time, stats.cpuRateNanos, stats.cpuNanos),
        memory: memoryOf(time, stats.memoryUsageBytes, stats.memoryWorkingSetBytes, stats.memoryRssBytes),
      }),
    })),
    cpu: cpuOf(
      time,
      sum((one) => one.cpuRateNanos),
      sum((one) => one.cpuNanos),
    ),
    memory: memoryOf(
      time,
      sum((one) => one.memoryUsageBytes),
      sum((one) => one.memoryWorkingSetBytes),
      sum((one) => one.memoryRssBytes),
    ),
    process_stats: { process_count: sum((one) => one.pids) },
  }
}

function withStalls(stalls: ContainerStalls | undefined, time: string, { cpu, memory }: ResourceUse): ResourceUse {
  if (stalls === undefined) return { cpu, memory }
  return { cpu: { ...cpu, psi: stalls.cpu }, memory: { ...memory, psi: stalls.memory }, io: { time, psi: stalls.io } }
}

const cpuOf = (time: string, usageNanoCores: number, usageCoreNanoSeconds: number): ResourceUse['cpu'] => ({
  time,
  usageNanoCores,
  usageCoreNanoSeconds,
})

const memoryOf = (
  time: string,
  usageBytes: number,
  workingSetBytes: number,
  rssBytes: number,
): ResourceUse['memory'] => ({
  time,
  usageBytes,
  workingSetBytes,
  rssBytes,
})
