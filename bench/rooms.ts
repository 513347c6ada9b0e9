import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Bench } from './bench.ts'

/** Benches that run without machines, in a process of their own: what they leave on the heap must not slow the next one. */
function roomBench(name: string, summary: string, args: readonly string[]): Bench {
  return {
    name,
    summary,
    needsRoot: false,
    async run({ signal, progress }) {
      const program = fileURLToPath(new URL(`${name}/main.ts`, import.meta.url))
      if (!existsSync(program)) {
        progress(`${name}: bench/${name}/main.ts is not there`)
        return []
      }
      const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args], {
        stdio: ['ignore', 'inherit', 'inherit'],
        signal,
      })
      const [code] = (await once(child, 'exit')) as [number | null]
      if (code !== 0) throw new Error(`bench/${name}/main.ts ended with ${code ?? 'a signal'}`)
      return []
    },
  }
}

export const schedulerBench = roomBench('scheduler', 'pods a second that find one of 5,000 nodes', [])
export const storeBench = roomBench('store', 'the replicated store by itself', [])
export const scaleBench = roomBench(
  'scale',
  '30,000 pods on 1,000 simulated nodes: made, updated, half of the nodes lost',
  [],
)
