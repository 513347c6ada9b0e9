import type { Bench, BenchOptions, Row } from '../bench.ts'
import { pause } from '../support/load.ts'
import { percentile } from '../support/statistics.ts'
import { startMesh } from './mesh-of-processes.ts'

/** Between two writes in the whole mesh, a node: far below what it can carry, so that the way is measured, not a queue. */
const writeEveryMsPerNode = 15
/** Time for the last writes to arrive. */
const settleMs = 1_000

/** How long a written object takes to be readable on the other nodes: store, mesh and replication, a process a node. */
export const gossipBench: Bench = {
  name: 'gossip',
  summary: 'from the write of an object of 500 B on one node until it is readable on another',
  needsRoot: false,
  async run(options) {
    const rows: Row[] = []
    for (const count of options.gossipNodes) rows.push(...(await propagation(options, count)))
    return rows
  },
}

async function propagation(options: BenchOptions, count: number): Promise<Row[]> {
  const { signal, progress, scratchDir, durationMs } = options
  progress(`${count} nodes on loopback…`)
  const mesh = await startMesh(count, scratchDir, signal)
  try {
    await pause(settleMs, signal)
    const writeEveryMs = writeEveryMsPerNode * count
    const writes = Math.ceil((2 * durationMs) / writeEveryMs)
    for (let number = 0; number < writes; number++) {
      mesh.write(number % count, number)
      await pause(writeEveryMs, signal)
    }
    await pause(settleMs, signal)
    const delaysMs = await mesh.delays()
    const wanted = writes * (count - 1)
    const arrived = delaysMs.flat()
    const whole = delaysMs.filter((one) => one.length === count - 1).map((one) => Math.max(...one))
    const p99Ms = percentile(arrived, 0.99)
    return [
      {
        what: `${count} nodes: to any other`,
        value: percentile(arrived, 0.5),
        unit: 'ms',
        p50Ms: percentile(arrived, 0.5),
        p99Ms,
        goal: { of: 'p99Ms', atMost: 500 },
      },
      {
        what: `${count} nodes: to the last one`,
        value: percentile(whole, 0.5),
        unit: 'ms',
        p50Ms: percentile(whole, 0.5),
        p99Ms: percentile(whole, 0.99),
        goal: { of: 'value', atMost: 100 },
      },
      ...(arrived.length < wanted
        ? [{ what: `${count} nodes: not there in time`, value: wanted - arrived.length, unit: `of ${wanted}` }]
        : []),
    ]
  } finally {
    await mesh.stop()
  }
}
