import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createFenceProcess, type FenceProcess } from './fence-process.ts'

const ids = { unique: 'a'.repeat(64), other: 'b'.repeat(64), scoped: 'c'.repeat(64) }
const longMs = 600_000

let root: string
let children: ChildProcess[]
let agents: FenceProcess[]

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'stormo-fence-'))
  children = []
  agents = []
})
afterEach(async () => {
  for (const one of agents) await one.feed({ containerIds: [], leftMs: 0 })
  for (const child of children) child.kill('SIGKILL')
  await expect.poll(fences).toEqual([])
  await rm(root, { recursive: true, force: true })
})

function agent(id: string): FenceProcess {
  const directory = join(root, 'fence')
  const one = createFenceProcess({ directory, id, cgroupRoot: join(root, 'cgroup'), pollSeconds: 0.02 })
  agents.push(one)
  return one
}

/** The fence processes of this test. */
async function fences(): Promise<{ pid: number; order: string }[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = pids.map(async (pid) => {
    const [, , order = ''] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
    return order.startsWith(`${root}/fence/`) ? [{ pid: Number(pid), order }] : []
  })
  return (await Promise.all(found)).flat()
}
const orders = async (): Promise<string[]> => (await fences()).map(({ order }) => order)

/** A process in a cgroup of that name, as a kernel with version 1 shows it. */
async function container(name: string): Promise<ChildProcess> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' })
  children.push(child)
  const directory = join(root, 'cgroup/memory', name)
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, 'cgroup.procs'), `${child.pid}\n`)
  return child
}
const isRunning = (index: number): boolean => children[index]?.exitCode === null && !children[index].signalCode

test('what is listed is killed when nobody feeds, wherever its cgroup is; nothing else is; then the process ends', async () => {
  await container(`docker/${ids.other}`)
  const unique = [await container(`docker/${ids.unique}`), await container(`system.slice/docker-${ids.scoped}.scope`)]
  const ended = unique.map((child) => once(child, 'exit'))
  await agent('1').feed({ containerIds: [ids.unique, ids.scoped], leftMs: 0 })
  await Promise.all(ended)
  expect([0, 1, 2].map(isRunning)).toEqual([true, false, false])
})

test('nothing is killed before its time, or that is not listed any more', async () => {
  await container(`docker/${ids.unique}`)
  const one = agent('1')
  await one.feed({ containerIds: [ids.unique], leftMs: longMs })
  await expect.poll(fences).toHaveLength(1)
  await one.feed({ containerIds: [], leftMs: 0 })
  await expect.poll(fences).toEqual([])
  expect(isRunning(0)).toBe(true)
})

test('the next agent takes over what the last one left, and its process alone stays', async () => {
  await container(`docker/${ids.unique}`)
  await agent('1').feed({ containerIds: [ids.unique], leftMs: longMs })
  const next = agent('2')
  const left = await next.takeOver()
  expect(left?.containerIds).toEqual([ids.unique])
  expect(left!.leftMs).toBeLessThanOrEqual(longMs)
  await next.feed({ containerIds: [ids.unique], leftMs: longMs })
  await expect.poll(orders).toEqual([join(root, 'fence', '2')])
  expect(isRunning(0)).toBe(true)
})

test('a process that was killed is replaced', async () => {
  const one = agent('1')
  await one.feed({ containerIds: [ids.unique], leftMs: longMs })
  await expect.poll(fences).toHaveLength(1)
  const [first] = await fences()
  process.kill(first!.pid, 'SIGKILL')
  await expect.poll(async () => (await fences()).some(({ pid }) => pid !== first!.pid)).toBe(true)
})

test('an order that is cut off, or of nobody, is none', async () => {
  await mkdir(join(root, 'fence'))
  await writeFile(join(root, 'fence', 'old'), '')
  await writeFile(join(root, 'fence', 'old.new'), '12')
  expect(await agent('1').takeOver()).toBeUndefined()
})

test('a container of another pid namespace is killed by its cgroup alone', async () => {
  const directory = join(root, 'cgroup/docker', ids.unique)
  await mkdir(join(directory, 'nested'), { recursive: true })
  await writeFile(join(root, 'cgroup/cgroup.controllers'), 'memory pids\n')
  await writeFile(join(root, 'cgroup/cgroup.procs'), '')
  await writeFile(join(directory, 'cgroup.procs'), '0\n')
  await writeFile(join(directory, 'cgroup.kill'), '')
  await agent('1').feed({ containerIds: [ids.unique], leftMs: 0 })
  await expect.poll(() => readFile(join(directory, 'cgroup.kill'), 'utf8')).toBe('1\n')
})
