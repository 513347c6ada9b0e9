import { parseArgs } from 'node:util'
import { hitTable, runSeeds } from '../test/simulation/run-seeds.ts'
import { simulations, type SimulationName } from '../test/simulation/simulations.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    first: { type: 'string', default: '1' },
    simulation: { type: 'string', default: 'writes' },
  },
})
const [count, first] = [Number(values.seeds), Number(values.first)]
const simulation = values.simulation as SimulationName
if (!(simulation in simulations) || !(count > 0) || !Number.isSafeInteger(first)) {
  console.error(`usage: npm run seeds -- [--seeds N] [--first N] [--simulation ${Object.keys(simulations).join('|')}]`)
  process.exit(2)
}

const startMs = performance.now()
const seconds = () => ((performance.now() - startMs) / 1000).toFixed(0)
const { seeds, hits, failures, neverHit } = await runSeeds({
  simulation,
  first,
  least: count,
  most: count,
  seconds: Infinity,
  progress(done, failure) {
    if (failure !== undefined) console.error(failure)
    if (done % 1_000 === 0) console.log(`${done} of ${count} seeds after ${seconds()} s`)
  },
})
console.log(hitTable(hits))
if (neverHit.length > 0) console.error(`no seed met ${neverHit.join(', ')}`)
console.log(`${seeds} seeds of ${simulation} from ${first} in ${seconds()} s: ${failures.length} failed`)
process.exitCode = failures.length + neverHit.length > 0 ? 1 : 0
