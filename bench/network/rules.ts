import { refs } from '../../src/client/client.ts'
import type { BenchOptions, Row } from '../bench.ts'
import { percentile } from '../support/statistics.ts'
import { endpointsPerService, sliceOf, startRules } from './rules-lab.ts'

const sizes = [100, 1_000, 10_000, 30_000]
const goalMs = 20

/** How long it takes until the kernel has the rules of one endpoint that changed, among so many services. */
export async function measureRuleUpdates({ samples, signal, progress }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = []
  for (const size of sizes) {
    signal.throwIfAborted()
    progress(`rules of ${size} services`)
    const times = await updateTimes(size, samples)
    rows.push({
      what: `one endpoint of ${size} services × ${endpointsPerService}`,
      value: percentile(times, 0.5),
      unit: 'ms',
      p99Ms: percentile(times, 0.99),
      ...(rows[0] ? { against: { what: `of ${sizes[0]}`, value: rows[0].value } } : {}),
      ...(size === 10_000 ? { goal: { of: 'value', atMost: goalMs } as const } : {}),
    })
  }
  return rows
}

async function updateTimes(size: number, samples: number): Promise<number[]> {
  const lab = await startRules(size)
  const times: number[] = []
  try {
    for (let sample = 1; sample <= samples; sample++) {
      lab.informers.put(refs.endpointSlices, sliceOf(sample % size, sample))
      const begin = performance.now()
      await lab.proxy.flush()
      times.push(performance.now() - begin)
    }
  } finally {
    await lab.stop()
  }
  return times
}
