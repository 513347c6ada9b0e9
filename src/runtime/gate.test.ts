import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { behindGate, installGate } from './docker/identity-gate.ts'
import { gateBinary, gateFailedCommand } from './gate-binary.ts'
import type { ContainerConfig } from './runtime.ts'

const run = promisify(execFile)
let directory: string
let gate: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'stormo-gate-'))
  gate = await installGate(directory)
})

afterAll(() => rm(directory, { recursive: true, force: true }))

test('the gate becomes the first program that can be executed, with its arguments and environment', async () => {
  const args = [hostname(), '/absent/sh', '/bin/sh', '', 'sh', '-c', 'echo "$0" "$1" "$COLOUR"', 'zero', '']
  const { stdout } = await run(gate, args, { env: { COLOUR: 'green' } })
  expect(stdout).toBe('zero  green\n')
})

test('the gate waits while the name differs, also when it only begins alike', async () => {
  const args = [`${hostname()}x`, '/bin/true', '', 'true']
  await expect(run(gate, args, { timeout: 200, killSignal: 'SIGKILL' })).rejects.toMatchObject({ signal: 'SIGKILL' })
})

test('a gate that can execute nothing says so by its name and waits', async () => {
  const child = execFile(gate, [hostname(), '/absent', '', 'absent'])
  try {
    await expect.poll(() => readFile(`/proc/${child.pid}/comm`, 'utf8')).toBe(`${gateFailedCommand}\n`)
  } finally {
    child.kill('SIGKILL')
  }
})

test('both architectures give an executable of their machine', () => {
  const machine = (bytes: Uint8Array) => Buffer.from(bytes).readUInt16LE(18)
  expect([machine(gateBinary('amd64')), machine(gateBinary('arm64'))]).toEqual([0x3e, 0xb7])
})

const config = (more: Partial<ContainerConfig>) =>
  ({
    mounts: [],
    env: [],
    hostname: 'web',
    imageDefaults: { entrypoint: ['run'], command: ['--fast'], env: ['PATH=/a::/b'] },
    ...more,
  }) as unknown as ContainerConfig

test('command and arguments are joined as Docker joins them, and looked for in PATH', () => {
  const command = (more: Partial<ContainerConfig>) => behindGate(config(more), '/gate')?.command?.slice(1)
  expect(command({})).toEqual(['web', '/a/run', '/b/run', '', 'run', '--fast'])
  expect(command({ args: ['x'] })).toEqual(['web', '/a/run', '/b/run', '', 'run', 'x'])
  expect(command({ command: ['./own'] })).toEqual(['web', './own', '', './own'])
  expect(command({ env: ['PATH=/c'] })).toEqual(['web', '/c/run', '', 'run', '--fast'])
})

test('there is no gate where nothing is known to run, or /dev is a volume', () => {
  const mount = { source: '/x', target: '/dev', readOnly: false, propagation: 'rprivate' as const }
  expect(behindGate(config({ mounts: [mount] }), '/gate')).toBeUndefined()
  expect(behindGate(config({ imageDefaults: { entrypoint: [], command: [], env: [] } }), '/gate')).toBeUndefined()
  expect(behindGate(config({ hostname: undefined }), '/gate')).toBeUndefined()
})
