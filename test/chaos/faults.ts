import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, run, stormoOk } from '../support/cluster.ts'
import { agentOf, type ChaosCluster, type ChaosNode, nft, statusOf } from './chaos-cluster.ts'
import { configMaps } from './clients.ts'
import { settled } from './history.ts'
import { between, pick, type Random } from './random.ts'
import { fillDisk, freeDisk } from './small-disk.ts'

/** One way to harm a node; `undo` makes it whole again. */
interface Fault {
  readonly name: string
  apply(node: ChaosNode, peers: readonly ChaosNode[], random: Random): Promise<void>
  undo(node: ChaosNode): Promise<void>
}

const start = async (node: ChaosNode): Promise<void> => void (await stormoOk('cluster', 'start', node.name))
const plugIn = async (node: ChaosNode): Promise<void> => void (await stormoOk('cluster', 'heal', node.name))

async function signal(node: ChaosNode, name: NodeJS.Signals): Promise<void> {
  const pid = await agentOf(node)
  if (pid !== undefined) process.kill(pid, name)
}

/** The rules see only what passes between the machines, so that clients still reach a node that its peers do not. */
async function filter(node: ChaosNode, rules: { hook: 'input' | 'output'; match: string }[]): Promise<void> {
  const chains = rules.map(
    ({ hook, match }, at) =>
      `chain chaos${at} { type filter hook ${hook} priority -300; policy accept; ${match} drop; }`,
  )
  await nft(node, `table ip chaos\ndelete table ip chaos\ntable ip chaos {\n${chains.join('\n')}\n}\n`)
}

const unfilter = (node: ChaosNode): Promise<void> => nft(node, 'table ip chaos\ndelete table ip chaos\n')

/** More than the store finds within its own file. */
const largeText = 'x'.repeat(200_000)

let largeWrites = 0

async function writeLarge({ name, client }: ChaosNode): Promise<Error | undefined> {
  const metadata = { name: `large-${name}-${largeWrites++}` }
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { text: largeText } }
  return (await settled(client.json({ method: 'POST', path: configMaps, body, timeoutMs: 5_000 }))).error
}

/** Fills the node's disk; it must refuse writes then, with the reason, and say so of itself. */
async function fillUp(node: ChaosNode): Promise<void> {
  fillDisk(node.cluster, node.name)
  await eventually(`${node.name} refuses writes, its disk is full`, async () => {
    const error = await writeLarge(node)
    if (!error) return false
    if (/disk did not take the write: .*no space/i.test(error.message)) return true
    throw error
  })
  await eventually(`${node.name} tells that its disk is full`, async () => {
    const { nodes } = await statusOf(node)
    return nodes.some(({ name, replica }) => name === node.name && /no space/i.test(replica?.diskFault ?? ''))
  })
}

/** Makes room again; the node must take writes, without being started anew. */
async function makeRoom(node: ChaosNode): Promise<void> {
  freeDisk(node.cluster, node.name)
  await eventually(`${node.name} takes writes, its disk has room`, async () => {
    const error = await writeLarge(node)
    if (error) throw error
    return true
  })
}

const setOf = (peers: readonly ChaosNode[]): string => `{ ${peers.map(({ address }) => address).join(', ')} }`

export const faults: readonly Fault[] = [
  { name: 'power-off', apply: async (node) => void (await stormoOk('cluster', 'stop', node.name)), undo: start },
  { name: 'kill-agent', apply: (node) => signal(node, 'SIGKILL'), undo: start },
  { name: 'pause-agent', apply: (node) => signal(node, 'SIGSTOP'), undo: (node) => signal(node, 'SIGCONT') },
  { name: 'full-disk', apply: fillUp, undo: makeRoom },
  { name: 'pull-cable', apply: async (node) => void (await stormoOk('cluster', 'cut', node.name)), undo: plugIn },
  {
    name: 'isolate-from-peers',
    apply: (node, peers) =>
      filter(node, [
        { hook: 'input', match: `ip saddr ${setOf(peers)}` },
        { hook: 'output', match: `ip daddr ${setOf(peers)}` },
      ]),
    undo: unfilter,
  },
  {
    name: 'deaf-to-peers',
    apply: (node, peers) => filter(node, [{ hook: 'input', match: `ip saddr ${setOf(peers)}` }]),
    undo: unfilter,
  },
  {
    name: 'deaf-to-one-peer',
    apply: (node, peers, random) => filter(node, [{ hook: 'input', match: `ip saddr ${pick(random, peers).address}` }]),
    undo: unfilter,
  },
  {
    name: 'mute-to-peers',
    apply: (node, peers) => filter(node, [{ hook: 'output', match: `ip daddr ${setOf(peers)}` }]),
    undo: unfilter,
  },
  {
    // Retransmission makes of loss a delay that varies.
    name: 'lossy-link',
    apply: (node, peers) =>
      filter(node, [{ hook: 'input', match: `ip saddr ${setOf(peers)} numgen random mod 100 < 30` }]),
    undo: unfilter,
  },
  {
    name: 'flapping-cable',
    async apply(node) {
      for (let time = 0; time < 3; time++) {
        await stormoOk('cluster', 'cut', node.name)
        await sleep(300)
        await plugIn(node)
        await sleep(300)
      }
    },
    undo: plugIn,
  },
]

/** Makes a node whole, whatever was done to it. */
export async function healNode(node: ChaosNode): Promise<void> {
  await signal(node, 'SIGCONT')
  freeDisk(node.cluster, node.name)
  await plugIn(node)
  await run('ip', ['netns', 'exec', node.netns, 'nft', 'delete', 'table', 'ip', 'chaos'])
  await start(node)
}

/**
 * Harms node after node until the time is over: mostly one at a time, sometimes two or all at once, so that the majority
 * is gone for a while. Every kind comes once before any comes again. What is done is told to `tell`.
 */
export async function injectFaults(
  cluster: ChaosCluster,
  random: Random,
  durationMs: number,
  tell: (what: string) => void,
): Promise<void> {
  const until = performance.now() + durationMs
  let ahead: Fault[] = []
  const next = (): Fault => {
    if (ahead.length === 0) ahead = shuffled(faults, random)
    return ahead.pop()!
  }
  while (performance.now() < until) {
    const harmed = shuffled(cluster.nodes, random).slice(0, pick(random, [1, 1, 1, 1, 2, 2, 3]))
    const round = harmed.map((node) => ({ node, fault: next() }))
    tell(round.map(({ node, fault }) => `${fault.name} ${node.name}`).join(' + '))
    const holdMs = between(random, 1_500, 7_000)
    for (const { node, fault } of round)
      await fault.apply(
        node,
        cluster.nodes.filter((one) => one !== node),
        random,
      )
    await sleep(holdMs)
    for (const { node, fault } of round) await fault.undo(node)
    tell('healed')
    await sleep(between(random, 500, 3_000))
  }
}

/** Fisher and Yates. */
function shuffled<T>(from: readonly T[], random: Random): T[] {
  const all = [...from]
  for (let at = all.length - 1; at > 0; at--) {
    const other = between(random, 0, at + 1)
    const one = all[at]!
    all[at] = all[other]!
    all[other] = one
  }
  return all
}
