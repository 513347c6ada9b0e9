import { readFile, statfs } from 'node:fs/promises'
import type { Pod } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import type { ContainerStats, RuntimeContainer } from '../../runtime/runtime.ts'
import { timeText } from '../core/container-status.ts'
import type { PodContext } from '../pod/pod-context.ts'

/** Containers asked for their figures at a time. */
const concurrency = 8

interface Sample extends ContainerStats {
  /** Cores used since the sample before, in 10⁻⁹. */
  readonly cpuRateNanos: number
}

/** Answers /stats/summary (stats.k8s.io/v1alpha1 Summary), from which `top` and metrics.k8s.io are made. */
export interface StatsSummary {
  read(signal: AbortSignal): Promise<object>
}

export function createStatsSummary(context: PodContext): StatsSummary {
  const { options, observer } = context
  const previous = new Map<string, ContainerStats>()
  let previousNode: { atMs: number; cpuNanos: number } | undefined

  async function sample(container: RuntimeContainer, signal: AbortSignal): Promise<Sample | undefined> {
    try {
      const stats = await options.runtime.stats(container.id, signal)
      const before = previous.get(container.id)
      previous.set(container.id, stats)
      const start = before ?? { timestampMs: container.startedAtMs, cpuNanos: 0 }
      const spanMs = Math.max(1, stats.timestampMs - start.timestampMs)
      const cpuRateNanos = Math.round(((stats.cpuNanos - start.cpuNanos) / spanMs) * 1000)
      return { ...stats, cpuRateNanos: Math.max(0, cpuRateNanos) }
    } catch {
      // It has ended since it was listed.
      return undefined
    }
  }

  async function node(): Promise<object> {
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

  return {
    async read(signal) {
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
    },
  }
}

function podStats(containers: readonly RuntimeContainer[], samples: ReadonlyMap<string, Sample>): object {
  const known = containers.flatMap((one) => {
    const stats = samples.get(one.id)
    return stats === undefined ? [] : [{ one, stats }]
  })
  const sum = (pick: (stats: Sample) => number): number => known.reduce((total, { stats }) => total + pick(stats), 0)
  const [first] = containers
  const time = timeText(Math.max(0, ...known.map(({ stats }) => stats.timestampMs)))
  const startMs = Math.min(...containers.map((one) => one.startedAtMs))
  return {
    podRef: first?.pod,
    startTime: timeText(startMs),
    containers: known.map(({ one, stats }) => ({
      name: one.name,
      startTime: timeText(one.startedAtMs),
      cpu: cpuOf(time, stats.cpuRateNanos, stats.cpuNanos),
      memory: memoryOf(time, stats.memoryUsageBytes, stats.memoryWorkingSetBytes, stats.memoryRssBytes),
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

const cpuOf = (time: string, usageNanoCores: number, usageCoreNanoSeconds: number): object => ({
  time,
  usageNanoCores,
  usageCoreNanoSeconds,
})

const memoryOf = (time: string, usageBytes: number, workingSetBytes: number, rssBytes: number): object => ({
  time,
  usageBytes,
  workingSetBytes,
  rssBytes,
})
