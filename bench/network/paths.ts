import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { BenchOptions, Row } from '../bench.ts'
import { median } from '../support/statistics.ts'
import type { PathFigures } from './client.ts'
import { programLine } from './program.ts'

export const pathPort = 9000
/** How often each way is measured. */
const rounds = 12
const figuresOfPath = 3

/** From where, and to where. `enter` is put before a program to run it there. */
export interface Way {
  readonly enter: readonly string[]
  readonly address: string
}

/** A server in that place; call the result to end it. */
export function startServer([program = '', ...enter]: readonly string[]): () => Promise<void> {
  const args = [...enter, ...programLine('server', String(pathPort))]
  const child = spawn(program, args, { stdio: 'ignore', detached: true })
  const ended = once(child, 'exit')
  return async () => {
    child.kill('SIGKILL')
    await ended
  }
}

/** What each round found of one way. */
export type Rounds = readonly PathFigures[]

/**
 * The ways one after another, round and round, by clients that stay: whatever else the machine does falls on all of them,
 * and no round pays for the start of a program. Rounds of one index belong together.
 */
export async function measureInTurn(ways: readonly Way[], { durationMs, signal }: BenchOptions): Promise<Rounds[]> {
  const clients = ways.map((way) => startClient(way, durationMs / figuresOfPath / rounds, signal))
  const found = ways.map((): PathFigures[] => [])
  try {
    for (const client of clients) await client.measure()
    for (let round = 0; round < rounds; round++) {
      // Forth and back, so that nobody is always the one behind another.
      const order = [...clients.keys()]
      for (const index of round % 2 ? order.reverse() : order) found[index]!.push(await clients[index]!.measure())
    }
    return found
  } finally {
    for (const client of clients) client.stop()
  }
}

function startClient({ enter, address }: Way, eachMs: number, signal: AbortSignal) {
  const [program = '', ...args] = [...enter, ...programLine('client', address, String(pathPort), String(eachMs))]
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], signal })
  child.on('error', () => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async measure(): Promise<PathFigures> {
      child.stdin.write('\n')
      const { value, done } = await lines.next()
      if (done) throw new Error(`the client of ${address} has ended`)
      return JSON.parse(value) as PathFigures
    },
    stop: () => void child.kill('SIGKILL'),
  }
}

export function rowsOf(what: string, found: Rounds, against?: { what: string; rounds: Rounds }, goal?: number): Row[] {
  const row = (field: keyof PathFigures, name: string, unit: string): Row => ({
    what: `${what}, ${name}`,
    value: median(found.map((one) => one[field])),
    unit,
    against: against && {
      what: against.what,
      value: median(against.rounds.map((one) => one[field])),
      ratio: median(found.map((one, round) => one[field] / against.rounds[round]![field])),
    },
    goal: goal === undefined ? undefined : { of: 'ratio', atLeast: goal },
  })
  return [
    row('requestsPerSecond', 'requests', '/s'),
    row('connectionsPerSecond', 'new connections', '/s'),
    row('gigabitsPerSecond', 'one stream', 'Gbit/s'),
  ]
}
