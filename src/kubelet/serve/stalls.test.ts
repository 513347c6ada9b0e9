import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseStalls, stallReader } from './stalls.ts'

const text = `some avg10=12.50 avg60=3.25 avg300=0.75 total=1500
full avg10=1.00 avg60=0.50 avg300=0.25 total=20
`
const stalls = {
  some: { avg10: 12.5, avg60: 3.25, avg300: 0.75, total: 1_500_000 },
  full: { avg10: 1, avg60: 0.5, avg300: 0.25, total: 20_000 },
}

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'stalls-'))
})
afterEach(() => rm(root, { recursive: true }))

test('stalls are in percent, their sum in nanoseconds', () => {
  expect(parseStalls(text)).toEqual(stalls)
  const none = { avg10: 0, avg60: 0, avg300: 0, total: 0 }
  expect(parseStalls(text.split('\n')[0]!)).toEqual({ some: stalls.some, full: none })
})

test('they are those of the group that the process is in, and unknown without cgroup v2', async () => {
  const [cgroups, proc] = [join(root, 'cgroup'), join(root, 'proc')]
  const group = join(cgroups, 'kubepods/pod1/abc')
  await mkdir(group, { recursive: true })
  await mkdir(join(proc, '7'), { recursive: true })
  await writeFile(join(proc, '7/cgroup'), '0::/kubepods/pod1/abc\n')
  for (const resource of ['cpu', 'memory', 'io']) await writeFile(join(group, `${resource}.pressure`), text)
  expect(await stallReader(cgroups, proc)(7)).toBeUndefined()
  await writeFile(join(cgroups, 'cgroup.controllers'), 'cpu io memory\n')
  expect(await stallReader(cgroups, proc)(7)).toEqual({ cpu: stalls, memory: stalls, io: stalls })
  expect(await stallReader(cgroups, proc)(8)).toBeUndefined()
})
