import { availableParallelism, cpus, loadavg } from 'node:os'
import { type Figures, measure } from './measure.ts'
import { nodeCount, workloads } from './workloads.ts'

/**
 * `node bench/scheduler/main.ts [name] [scale]`: all cases, or those whose name holds `name`; `scale` 0…1 shrinks them.
 * The floors are those that Kubernetes sets for kube-scheduler on its own CI machines.
 */
const [, , only = '', scaleText = '1'] = process.argv
const columns: [title: string, text: (row: Figures) => string][] = [
  ['case', ({ name }) => name],
  ['pods', ({ pods }) => String(pods)],
  ['seconds', ({ seconds }) => seconds.toFixed(2)],
  ['pods/s', ({ podsPerSecond }) => podsPerSecond.toFixed(0)],
  ['cpu s', ({ cpuSeconds }) => cpuSeconds.toFixed(2)],
  ['pods/cpu s', ({ cpuSeconds, pods }) => (pods / cpuSeconds).toFixed(0)],
  ['attempts', ({ attempts }) => String(attempts)],
  ['p50 ms', ({ p50Ms }) => p50Ms.toFixed(2)],
  ['p99 ms', ({ p99Ms }) => p99Ms.toFixed(2)],
  ['floor', ({ floor }) => floor?.toString() ?? '-'],
  ['times floor', ({ floor, podsPerSecond }) => (floor ? (podsPerSecond / floor).toFixed(1) : '-')],
]
const line = (cells: readonly string[]): string =>
  cells.map((cell, index) => (index === 0 ? cell.padEnd(24) : cell.padStart(11))).join('')

console.log(`machine: ${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores, Node ${process.version}`)
console.log(`load before: ${loadavg()[0]?.toFixed(1)}`)
console.log(`nodes: ${Math.max(100, Math.round(nodeCount * Number(scaleText)))}\n`)
console.log(line(columns.map(([title]) => title)))
for (const workload of workloads(Number(scaleText))) {
  if (!workload.name.includes(only)) continue
  const row = await measure(workload)
  console.log(line(columns.map(([, text]) => text(row))))
}
