import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Pod } from '../../api/kinds.ts'
import { silentLogger } from '../../lib/log.ts'
import { createDeviceManager } from './device-manager.ts'
import { findNvidiaDevices, nvidiaResource } from './nvidia.ts'
import { createNvidiaPlugin } from './nvidia-plugin.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nvidia-test-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const make = (...names: string[]) => Promise.all(names.map((name) => writeFile(join(directory, name), '')))

test('devices are known by their nodes, and named by nvidia-smi where it answers', async () => {
  expect(await findNvidiaDevices(directory)).toEqual([])
  await make('nvidia0', 'nvidia10', 'nvidiactl', 'null')
  const listed = async () => 'GPU 0: Tesla T4 (UUID: GPU-abc)\n'
  expect(await findNvidiaDevices(directory, listed)).toEqual([
    { index: 0, id: 'GPU-abc' },
    { index: 10, id: '10' },
  ])
})

test('a machine’s NVIDIA devices are offered by the protocol of device plugins', async () => {
  await make('nvidia0', 'nvidiactl')
  const changed = Promise.withResolvers<void>()
  const manager = createDeviceManager({
    directory: join(directory, 'p'),
    logger: silentLogger,
    onChange: changed.resolve,
    isKnown: () => true,
  })
  await manager.start()
  const plugin = createNvidiaPlugin({
    directory: join(directory, 'p'),
    logger: silentLogger,
    deviceDirectory: directory,
  })
  await plugin.start()
  await changed.promise
  expect(manager.resources().allocatable).toEqual({ [nvidiaResource]: '1' })
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { uid: 'u' },
    spec: { containers: [{ name: 'main', resources: { limits: { [nvidiaResource]: '1' } } }] },
  }
  expect(await manager.admit(pod)).toBeUndefined()
  const [access] = manager.accessOf('u', 'main')
  expect(access?.envs).toEqual({ NVIDIA_VISIBLE_DEVICES: '0' })
  expect(access?.devices.map(({ containerPath }) => containerPath)).toEqual(['/dev/nvidia0', '/dev/nvidiactl'])
  await plugin.stop()
  await manager.stop()
})
