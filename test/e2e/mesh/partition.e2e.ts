import { spawn, type ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exec, execOk } from '../../../src/lib/exec.ts'
import { createIdentity, peerIdOf } from '../../../src/mesh/identity.ts'

const prefix = `stomesh${process.pid}`
const nodeBinary = fileURLToPath(new URL('../../../node_modules/node/bin/node', import.meta.url))
const agentScript = fileURLToPath(new URL('./mesh-agent.ts', import.meta.url))
const ip = (...args: string[]) => execOk('ip', args)

interface Seen {
  event: string
  node: string
  atMs: number
}

interface Agent {
  name: string
  child: ChildProcess
  seen: Seen[]
}

const names = ['n1', 'n2', 'n3']
const agents: Agent[] = []

beforeAll(async () => {
  await ip('netns', 'add', prefix)
  await ip('-n', prefix, 'link', 'add', 'hub', 'type', 'bridge')
  await ip('-n', prefix, 'link', 'set', 'hub', 'up')
  const identities = await Promise.all(names.map(() => createIdentity()))
  const members = names.map((node, index) => ({
    peer: peerIdOf(identities[index] as Uint8Array),
    node,
    addresses: [`/ip4/10.201.0.${index + 1}/tcp/7946`],
  }))
  for (const [index, name] of names.entries()) {
    const netns = `${prefix}${name}`
    await ip('netns', 'add', netns)
    await ip('-n', prefix, 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns)
    await ip('-n', prefix, 'link', 'set', name, 'master', 'hub', 'up')
    await ip('-n', netns, 'addr', 'add', `10.201.0.${index + 1}/24`, 'dev', 'eth0')
    await ip('-n', netns, 'link', 'set', 'eth0', 'up')
    await ip('-n', netns, 'link', 'set', 'lo', 'up')
    const settings = { identity: Buffer.from(identities[index] as Uint8Array).toString('base64'), name, members }
    const child = spawn('nsenter', [`--net=/run/netns/${netns}`, nodeBinary, agentScript, JSON.stringify(settings)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const agent: Agent = { name, child, seen: [] }
    child.on('message', (message) => void agent.seen.push(message as Seen))
    agents.push(agent)
  }
  await until(() => agents.every((agent) => connections(agent).size === 2))
})

afterAll(async () => {
  for (const { child } of agents) child.kill('SIGKILL')
  for (const name of ['', ...names]) await exec('ip', ['netns', 'del', `${prefix}${name}`])
})

/** Peers that are up by the last word about each. */
function connections({ seen }: Agent): Set<string> {
  const up = new Set<string>()
  for (const { event, node } of seen) {
    if (event === 'up') up.add(node)
    if (event === 'down') up.delete(node)
  }
  return up
}

const has = (agent: Agent, event: string, node: string, sinceMs: number) =>
  agent.seen.some((one) => one.event === event && one.node === node && one.atMs >= sinceMs)

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 4_000; turn++) {
    if (condition()) return
    await sleep(20)
  }
  throw new Error(`did not come true: ${JSON.stringify(agents.map((agent) => agent.seen.slice(-6)))}`)
}

test('a cut node is called dead on both sides, and after the heal all are connected and hear broadcasts', async () => {
  const [n1, n2, n3] = agents as [Agent, Agent, Agent]
  for (let cut = 0; cut < 3; cut++) {
    const cutAtMs = Date.now()
    await ip('-n', prefix, 'link', 'set', 'n3', 'nomaster')
    await until(() => has(n1, 'dead', 'n3', cutAtMs) && has(n2, 'dead', 'n3', cutAtMs))
    await until(() => has(n3, 'dead', 'n1', cutAtMs) && has(n3, 'dead', 'n2', cutAtMs))
    const deadAfterMs = Date.now() - cutAtMs
    expect(has(n1, 'dead', 'n2', cutAtMs)).toBe(false)
    await sleep(1_500 * (cut + 1))

    const healAtMs = Date.now()
    await ip('-n', prefix, 'link', 'set', 'n3', 'master', 'hub')
    await until(() => agents.every((agent) => connections(agent).size === 2))
    const connectedAfterMs = Date.now() - healAtMs
    // Every one that called another dead must have taken it back before the next cut.
    await until(() => has(n1, 'alive', 'n3', healAtMs) && has(n2, 'alive', 'n3', healAtMs))
    await until(() => has(n3, 'alive', 'n1', healAtMs) && has(n3, 'alive', 'n2', healAtMs))
    const askMs = Date.now()
    await until(() => {
      if (has(n3, 'broadcast', 'n1', askMs) && has(n1, 'broadcast', 'n3', askMs)) return true
      for (const agent of [n1, n3]) agent.child.send('broadcast')
      return false
    })
    const gossipAfterMs = Date.now() - healAtMs
    console.log(
      `cut ${cut}: dead after ${deadAfterMs} ms; connected ${connectedAfterMs} ms, gossip ${gossipAfterMs} ms after the heal`,
    )
  }
})
