import type { Bench, Row } from './bench.ts'
import { processesInside } from './support/bench-cluster.ts'
import { pause } from './support/load.ts'
import { cpuSeconds, megabytes } from './support/process-cost.ts'
import { median } from './support/statistics.ts'

/** Time for what a start leaves behind (parsed schemas, compiled code) to be collected. */
const settleMs = 8_000

/** Memory and processor time of an agent that has nothing to do. */
export const agentBench: Bench = {
  name: 'agent',
  summary: 'what an idle agent costs a machine, median of the nodes',
  needsRoot: true,
  async run({ cluster, signal, durationMs }) {
    const { nodes } = await cluster.get()
    await pause(settleMs, signal)
    const agents = nodes.flatMap((node) => processesInside(node, /main\.[jt]s agent/))
    const daemons = nodes.map((node) => processesInside(node, /^\S*(dockerd|containerd) /))
    const before = agents.map(cpuSeconds)
    await pause(durationMs, signal)
    const usedPercent = agents.map((pid, index) => ((cpuSeconds(pid) - before[index]!) / durationMs) * 100_000)
    const dockerMegabytes = median(daemons.map((pids) => pids.reduce((sum, pid) => sum + megabytes(pid, 'VmRSS'), 0)))
    const rows: Row[] = [
      {
        what: 'resident memory',
        value: median(agents.map((pid) => megabytes(pid, 'VmRSS'))),
        unit: 'MB',
        against: { what: 'its dockerd and containerd', value: dockerMegabytes },
        goal: { of: 'value', atMost: 150 },
      },
      { what: 'of it not backed by files', value: median(agents.map((pid) => megabytes(pid, 'RssAnon'))), unit: 'MB' },
      { what: 'processor, of one core', value: median(usedPercent), unit: '%' },
    ]
    return rows
  },
}
