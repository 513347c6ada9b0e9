import type { Pressure } from '../../scheduler/framework/framework.ts'
import type { PodUse, ResourceUse } from '../serve/stats-summary.ts'
import type { Stalls } from '../serve/stalls.ts'

/** What a node has, in cores and bytes. */
export interface NodeRoom {
  readonly cores: number
  readonly memoryBytes: number
}

const nanosPerCore = 1e9
const percent = 100

/**
 * What a pod strains of its node, each 0…1: the share of the last minute in which tasks of its container waited, where the
 * kernel measures that (cgroup v2), else the share of the node's processors and memory that it uses. Pure.
 */
export function pressureProfile({ containers, cpu, memory }: PodUse, { cores, memoryBytes }: NodeRoom): Pressure {
  const waited = (stallsOf: (use: ResourceUse) => Stalls | undefined): number | undefined => {
    const shares = containers.flatMap((one) => stallsOf(one)?.some.avg60 ?? [])
    return shares.length === 0 ? undefined : Math.max(...shares) / percent
  }
  return {
    cpu: waited((one) => one.cpu.psi) ?? cpu.usageNanoCores / nanosPerCore / Math.max(1, cores),
    memory: waited((one) => one.memory.psi) ?? memory.workingSetBytes / Math.max(1, memoryBytes),
    io: waited((one) => one.io?.psi) ?? 0,
  }
}
