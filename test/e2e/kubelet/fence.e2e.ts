import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endFences } from '../../../src/agent/fence-process.ts'
import { systemClock } from '../../../src/lib/system.ts'
import { dockerMachine, importBusybox, type DockerMachine } from './docker-machine.ts'

/** Stands for an agent: gives its order, says so, and goes on until it is killed. */
const agentSource = (module: string, directory: string): string => `
import { createFenceProcess } from ${JSON.stringify(module)}
const [id, leftMs, ...containerIds] = process.argv.slice(2)
const fence = createFenceProcess({ directory: ${JSON.stringify(directory)}, id })
await fence.takeOver()
await fence.feed({ containerIds, leftMs: Number(leftMs) })
console.log('fed')
setInterval(() => {}, 1000)
`

let machine: DockerMachine
let directory: string

beforeAll(async () => {
  machine = await dockerMachine()
  await importBusybox(machine)
  directory = join(machine.directory, 'fence')
  const module = fileURLToPath(new URL('../../../src/agent/fence-process.ts', import.meta.url))
  await writeFile(join(machine.directory, 'agent.ts'), agentSource(module, directory))
}, 60_000)
afterAll(async () => {
  await endFences(directory, systemClock)
  await machine?.down()
}, 60_000)

const container = (name: string): Promise<string> =>
  machine
    .docker(
      'run',
      '-d',
      '--name',
      name,
      '--network=none',
      'busybox:1',
      'sh',
      '-c',
      'trap "" TERM; while :; do sleep 1; done',
    )
    .then((id) => id.trim())
const exitCode = async (id: string): Promise<string> =>
  (await machine.docker('inspect', '-f', '{{.State.Running}} {{.State.ExitCode}}', id)).trim()

/** Starts one, and kills it once its order is given. */
async function killedAgent(...args: string[]): Promise<void> {
  const agent = spawn(process.execPath, [join(machine.directory, 'agent.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(agent.stdout, 'data')
  agent.kill('SIGKILL')
  await once(agent, 'exit')
}

async function fences(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.map((line) => line.split('\0')[2] ?? '').filter((order) => order.startsWith(`${directory}/`))
}

test('an agent that is killed leaves no unique container, and all others, behind', async () => {
  const [unique, other] = [await container('unique'), await container('other')]
  await killedAgent('first', '4000', unique)
  expect(await exitCode(unique)).toBe('true 0')
  await expect.poll(() => exitCode(unique), { timeout: 20_000 }).toBe('false 137')
  await expect.poll(fences, { timeout: 5_000 }).toEqual([])
  expect(await exitCode(other)).toBe('true 0')
})

test('an agent that is started anew in time loses none', async () => {
  const id = await container('adopted')
  await killedAgent('second', '4000', id)
  await killedAgent('third', '600000', id)
  await expect.poll(fences, { timeout: 5_000 }).toEqual([join(directory, 'third')])
  // Longer than the first one's order had to run.
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  expect(await exitCode(id)).toBe('true 0')
  await endFences(directory, systemClock)
  expect(await fences()).toEqual([])
})
