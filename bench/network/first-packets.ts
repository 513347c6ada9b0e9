import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { execOk } from '../../src/lib/exec.ts'
import type { BenchOptions, Row } from '../bench.ts'
import { median, percentile } from '../support/statistics.ts'
import { programLine } from './program.ts'
import { clusterIpOf, endpointPort, startRules } from './rules-lab.ts'

const [few, many] = [100, 30_000]
const goal = 1.2
/** The two are asked in turn, so that whatever else the machine does is shared. */
const rounds = 12
const connectionsPerRound = 500
const addressesTried = 100

/** How long the first packets of connections take among few and among many services. */
export async function measureFirstPackets({ signal, progress }: BenchOptions): Promise<Row[]> {
  progress(`first packets among ${few} and ${many} services`)
  const labs = await Promise.all([few, many].map(async (size) => ({ size, lab: await startRules(size) })))
  const servers = labs.map(({ lab }) => startServer(lab.enter))
  const times = new Map<number, number[][]>([few, many].map((size) => [size, []]))
  try {
    await sleep(500)
    for (let round = 0; round < rounds; round++) {
      for (const { size, lab } of round % 2 ? labs.toReversed() : labs) {
        signal.throwIfAborted()
        times.get(size)?.push(await connectTimes(lab.enter, size))
      }
    }
  } finally {
    for (const server of servers) server.kill('SIGKILL')
    for (const { lab } of labs) await lab.stop()
  }
  const of = (size: number): number[][] => times.get(size) ?? []
  const row = (size: number): Row => ({
    what: `first packets among ${size} services`,
    value: median(of(size).flat()),
    unit: 'ms',
    p99Ms: percentile(of(size).flat(), 0.99),
  })
  const base = row(few)
  const ratio = median(of(many).map((one, round) => median(one) / median(of(few)[round]!)))
  const against = { what: `among ${few}`, value: base.value, ratio }
  return [base, { ...row(many), against, goal: { of: 'ratio', atMost: goal } }]
}

function startServer([program = '', ...enter]: readonly string[]) {
  return spawn(program, [...enter, ...programLine('server', String(endpointPort))], { stdio: 'ignore' })
}

async function connectTimes([program = '', ...enter]: readonly string[], size: number): Promise<number[]> {
  // Spread over all of them: what was looked up just before is looked up faster.
  const step = size / addressesTried
  const addresses = Array.from({ length: addressesTried }, (_, index) => clusterIpOf(Math.floor(index * step)))
  const args = programLine('first-packet-client', '80', String(connectionsPerRound), ...addresses)
  return JSON.parse(await execOk(program, [...enter, ...args])) as number[]
}
