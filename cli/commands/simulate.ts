import type { ScenarioStep } from '../../src/simulation/scenario.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { durationMs } from '../durations.ts'
import { manifestSources, readManifests } from '../manifests.ts'

export const simulateCommand: CommandDefinition = {
  name: 'simulate',
  summary: 'Let manifests go through failures on a simulated cluster, before these happen',
  options: [
    { flags: '-f, --filename <source>', summary: 'manifests: file, directory, URL or - for stdin', repeatable: true },
    { flags: '-R, --recursive', summary: 'read directories below as well' },
    { flags: '--nodes <count>', summary: 'nodes of the cluster, n1, n2 …', integer: true, default: 3 },
    { flags: '--partition <groups>', summary: "parts that do not hear each other: 'n1,n2|n3'", repeatable: true },
    { flags: '--kill <node>', summary: 'a node that loses power', repeatable: true },
    { flags: '--pause <node>', summary: 'a node that hangs', repeatable: true },
    { flags: '--after <duration>', summary: 'when the failures begin, once the manifests are applied', default: '20s' },
    { flags: '--failing-for <duration>', summary: 'when they end: links heal, nodes come back', default: '1m' },
    { flags: '--for <duration>', summary: 'how long to watch altogether', default: '3m' },
    { flags: '--seed <number>', summary: 'of chance; the same seed tells the same story', integer: true, default: 1 },
  ],
  examples: `Examples:
  stormo simulate -f manifests/ --nodes 5 --partition 'n1,n2|n3,n4,n5' --kill n4
  stormo simulate -f web.yaml --kill n1 --failing-for 10m --for 12m`,
  run,
}

const nodesLimit = 15

async function run(invocation: Invocation): Promise<void> {
  const { io } = invocation
  const nodes = option.integer(invocation, 'nodes') ?? 3
  if (nodes < 1 || nodes > nodesLimit) throw new UsageError(`--nodes ${nodes}: must be from 1 to ${nodesLimit}`)
  const manifests = await readManifests(manifestSources(invocation), option.flag(invocation, 'recursive'), io)
  // Loaded only here: it is the whole agent.
  const { simulate } = await import('../../src/simulation/scenario.ts')
  const story = simulate({
    manifests: manifests.map(({ object }) => object),
    nodes,
    steps: stepsOf(invocation, nodes),
    seed: option.integer(invocation, 'seed') ?? 1,
    forMs: durationOf(invocation, 'for'),
  })
  for await (const line of story) {
    io.out(`${line}\n`)
    if (io.signal.aborted) return
  }
}

/** They all have defaults. What lies before the beginning is at the beginning. */
const durationOf = (invocation: Invocation, name: 'after' | 'failingFor' | 'for'): number =>
  Math.max(0, durationMs(invocation, name) ?? 0)

/** What the options ask for: everything fails at once, and is mended at once. */
function stepsOf(invocation: Invocation, nodes: number): ScenarioStep[] {
  const names = new Set(Array.from({ length: nodes }, (_, index) => `n${index + 1}`))
  const known = (name: string): string => {
    if (!names.has(name)) throw new UsageError(`there is no node "${name}": they are called ${[...names].join(', ')}`)
    return name
  }
  const atMs = durationOf(invocation, 'after')
  const endMs = atMs + durationOf(invocation, 'failingFor')
  const steps: ScenarioStep[] = []
  for (const text of option.list(invocation, 'partition')) {
    const groups = text.split('|').map((group) => group.split(',').map((name) => known(name.trim())))
    if (groups.length < 2) throw new UsageError(`--partition ${text}: must name two parts at least: 'n1,n2|n3'`)
    steps.push({ atMs, do: 'partition', groups }, { atMs: endMs, do: 'heal' })
  }
  for (const name of option.list(invocation, 'kill')) {
    steps.push({ atMs, do: 'kill', node: known(name) }, { atMs: endMs, do: 'start', node: name })
  }
  for (const name of option.list(invocation, 'pause')) {
    steps.push({ atMs, do: 'pause', node: known(name) }, { atMs: endMs, do: 'resume', node: name })
  }
  return steps
}
