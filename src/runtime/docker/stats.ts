import type { ContainerStats as DockerStats } from 'dockerode'
import type { ContainerStats } from '../runtime.ts'

/** One sample of GET /containers/{id}/stats. The counters' names differ between cgroup v1 and v2. */
export function observeStats(sample: DockerStats, nowMs: number): ContainerStats {
  const memory = sample.memory_stats ?? {}
  const counters = (memory.stats ?? {}) as unknown as Record<string, number | undefined>
  const usage = memory.usage ?? 0
  const inactive = counters['total_inactive_file'] ?? counters['inactive_file'] ?? 0
  return {
    timestampMs: nowMs,
    cpuNanos: sample.cpu_stats?.cpu_usage?.total_usage ?? 0,
    memoryUsageBytes: usage,
    memoryWorkingSetBytes: Math.max(0, usage - inactive),
    memoryRssBytes: counters['total_rss'] ?? counters['anon'] ?? counters['rss'] ?? 0,
    pageFaults: counters['total_pgfault'] ?? counters['pgfault'] ?? 0,
    majorPageFaults: counters['total_pgmajfault'] ?? counters['pgmajfault'] ?? 0,
    pids: sample.pids_stats?.current ?? 0,
  }
}
