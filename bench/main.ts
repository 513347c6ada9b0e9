import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Bench, BenchOptions } from './bench.ts'
import { allBenches } from './all.ts'
import { benchCluster, removeLeftovers } from './support/bench-cluster.ts'
import { machineFacts } from './support/machine-facts.ts'
import { printRows } from './support/table.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    samples: { type: 'string', default: '12' },
    seconds: { type: 'string', default: '3' },
    replicas: { type: 'string', default: '30' },
    connections: { type: 'string', default: '10000' },
    'gossip-nodes': { type: 'string', default: '3,10' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

const usage = (): string => `usage: npm run bench -- [bench…] [options]

${allBenches.map((bench) => `  ${bench.name.padEnd(12)}${bench.summary}`).join('\n')}

  --samples <n>            single measurements of what is measured one at a time (default 12)
  --seconds <n>            how long each rate is measured (default 3)
  --replicas <n>           pods of the scale-up (default 30)
  --connections <n>        open ones during the rolling update (default 10000)
  --gossip-nodes <n,n>     sizes of the meshes (default 3,10)
`

if (values.help) {
  console.log(usage())
} else {
  process.exitCode = await main(positionals)
}

async function main(wanted: readonly string[]): Promise<number> {
  const unknown = wanted.filter((name) => !allBenches.some((bench) => bench.name === name))
  if (unknown.length > 0) {
    console.error(`no bench is called ${unknown.join(', ')}\n\n${usage()}`)
    return 2
  }
  const abort = new AbortController()
  let exitCode = 0
  for (const [name, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    // Also the second one: what was started is removed in any case, and that takes seconds.
    process.on(name, () => {
      if (!abort.signal.aborted) console.error('\nstopping: removing what was started…')
      exitCode = code
      abort.abort(new Error(`ended by ${name}`))
    })
  }
  const scratchDir = mkdtempSync(join(tmpdir(), 'stormo-bench-'))
  const progress = (line: string): void => console.error(`  … ${line}`)
  const cluster = benchCluster(scratchDir, progress)
  try {
    console.log(`stormo bench\n${await machineFacts()}\n`)
    const selected = allBenches.filter((bench) => wanted.length === 0 || wanted.includes(bench.name))
    const runnable = withoutRoot(selected)
    if (process.getuid?.() === 0) await removeLeftovers(cluster.settings)
    const options: BenchOptions = {
      signal: abort.signal,
      progress,
      cluster,
      scratchDir,
      samples: atLeastOne('samples', values.samples),
      durationMs: atLeastOne('seconds', values.seconds) * 1000,
      replicas: atLeastOne('replicas', values.replicas),
      connections: atLeastOne('connections', values.connections),
      gossipNodes: values['gossip-nodes'].split(',').map((text) => atLeastOne('gossip-nodes', text)),
    }
    for (const bench of runnable) {
      if (abort.signal.aborted) break
      if (!(await runOne(bench, options))) exitCode ||= 1
    }
  } finally {
    await cluster.release()
    rmSync(scratchDir, { recursive: true, force: true })
  }
  return exitCode
}

/** Prints what a bench found; false when it failed. One that fails does not keep the others from running. */
async function runOne(bench: Bench, options: BenchOptions): Promise<boolean> {
  const begin = performance.now()
  try {
    const rows = await bench.run(options)
    const seconds = ((performance.now() - begin) / 1000).toFixed(0)
    console.log(printRows(`${bench.name}: ${bench.summary} (${seconds} s)`, rows))
    return true
  } catch (error) {
    if (!options.signal.aborted) {
      console.error(`${bench.name} failed: ${error instanceof Error ? error.message : String(error)}\n`)
      if (process.env['STORMO_DEBUG'] && error instanceof Error) console.error(error.stack)
    }
    return false
  }
}

function withoutRoot(selected: readonly Bench[]): readonly Bench[] {
  if (process.getuid?.() === 0) return selected
  const left = selected.filter((bench) => bench.needsRoot)
  if (left.length > 0)
    console.log(`not root, so left out (they need machines of their own): ${left.map((one) => one.name).join(', ')}\n`)
  return selected.filter((bench) => !bench.needsRoot)
}

function atLeastOne(flag: string, text: string): number {
  const number = Number(text)
  if (number >= 1) return number
  throw new Error(`--${flag} ${text}: must be a number, 1 or more`)
}
