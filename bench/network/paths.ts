import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { execOk } from '../../src/lib/exec.ts'
import type { BenchOptions, Row } from '../bench.ts'
import { median } from '../support/statistics.ts'
import type { PathFigures } from './client.ts'
import { programLine } from './program.ts'

export const pathPort = 9000
/** How often each way is measured. */
const rounds = 5
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

/** The ways one after another, round and round: whatever else the machine does falls on all of them. Each figure's median. */
export async function measureInTurn(ways: readonly Way[], options: BenchOptions): Promise<PathFigures[]> {
  const found = ways.map((): PathFigures[] => [])
  for (let round = 0; round < rounds; round++)
    for (const [index, way] of ways.entries()) found[index]!.push(await measurePath(way, options))
  return found.map((all) => {
    const of = (field: keyof PathFigures): number => median(all.map((one) => one[field]))
    return {
      requestsPerSecond: of('requestsPerSecond'),
      connectionsPerSecond: of('connectionsPerSecond'),
      gigabitsPerSecond: of('gigabitsPerSecond'),
    }
  })
}

async function measurePath({ enter, address }: Way, { durationMs, signal }: BenchOptions): Promise<PathFigures> {
  const eachMs = durationMs / figuresOfPath / rounds
  const [program = '', ...args] = [...enter, ...programLine('client', address, String(pathPort), String(eachMs))]
  return JSON.parse(await execOk(program, args, { signal, timeoutMs: 60_000 + 3 * durationMs })) as PathFigures
}

export function rowsOf(
  what: string,
  figures: PathFigures,
  against?: { what: string; figures: PathFigures },
  goal?: number,
): Row[] {
  const row = (field: keyof PathFigures, name: string, unit: string): Row => ({
    what: `${what}, ${name}`,
    value: figures[field],
    unit,
    against: against && { what: against.what, value: against.figures[field] },
    goal: goal === undefined ? undefined : { of: 'ratio', atLeast: goal },
  })
  return [
    row('requestsPerSecond', 'requests', '/s'),
    row('connectionsPerSecond', 'new connections', '/s'),
    row('gigabitsPerSecond', 'one stream', 'Gbit/s'),
  ]
}
