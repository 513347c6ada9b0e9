import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Node, PodSpec } from '../../../src/api/kinds.ts'
import { refs } from '../../../src/client/client.ts'
import { startTestDevicePlugin, type TestDevicePlugin } from '../../images/device-plugin.ts'
import { memoryChannels } from './memory-channels.ts'
import { isReady, nodeFixture, type NodeFixture } from './node-fixture.ts'

const resource = 'stormo.dev/widget'
let node: NodeFixture
let plugin: TestDevicePlugin
const directory = () => join(node.machine.directory, 'kubelet', 'device-plugins')

beforeAll(async () => {
  node = await nodeFixture('10.251.12')
  plugin = await startTestDevicePlugin(directory(), resource, ['a', 'b'])
}, 60_000)

afterAll(async () => {
  await plugin?.stop()
  await node?.down()
}, 60_000)

const status = () => node.cluster.get<Node>(refs.nodes, '', 'node-1')?.status
const amounts = () => [status()?.capacity?.[resource], status()?.allocatable?.[resource]]
const wanting = (count: string, script = 'sleep 1000', init?: string): PodSpec => ({
  restartPolicy: 'Never',
  ...(init === undefined
    ? {}
    : {
        initContainers: [
          { name: 'init', image: 'busybox:1', command: ['true'], resources: { limits: { [resource]: init } } },
        ],
      }),
  containers: [
    { name: 'main', image: 'busybox:1', command: ['sh', '-c', script], resources: { limits: { [resource]: count } } },
  ],
})

async function outputOf(name: string): Promise<string> {
  const channels = memoryChannels()
  const request = { kind: 'log' as const, namespace: 'default', pod: name, uid: node.pod(name)?.metadata.uid ?? '' }
  await node.kubelet().serve({ ...request, options: { container: 'main' } }, channels, AbortSignal.timeout(10_000))
  return channels.text(1)
}

async function remove(name: string): Promise<void> {
  await node.cluster.client.delete(refs.pods, 'default', name)
  await node.until(name, 'gone', (pod) => pod === undefined)
}

test('a device plugin registers, and its devices are the node’s, as far as they are healthy', async () => {
  await expect.poll(amounts, { timeout: 10_000 }).toEqual(['2', '2'])
  plugin.setHealth('a', 'Unhealthy')
  await expect.poll(amounts, { timeout: 10_000 }).toEqual(['2', '1'])
  plugin.setHealth('a', 'Healthy')
  await expect.poll(amounts, { timeout: 10_000 }).toEqual(['2', '2'])
})

test('a container gets the device that its plugin prefers, with its environment, mounts and nodes', async () => {
  node.run('one', wanting('1', 'echo $TEST_DEVICES; ls /dev | grep test-; test -d /opt/device && echo mounted'))
  await node.until('one', 'succeeded', (pod) => pod?.status?.phase === 'Succeeded')
  expect(await outputOf('one')).toBe('b\ntest-b\nmounted\n')
  expect(plugin.calls).toEqual(['allocate b', 'preStart b'])
  await remove('one')
})

test('what an init container had, the next container has', async () => {
  node.run('both', wanting('2', 'echo $TEST_DEVICES', '1'))
  await node.until('both', 'succeeded', (pod) => pod?.status?.phase === 'Succeeded')
  expect((await outputOf('both')).trim().split(',').toSorted()).toEqual(['a', 'b'])
  await remove('both')
})

test('a device is given once, also over a restart of the agent; who comes too late is refused', async () => {
  node.run('holder', wanting('2'))
  await node.until('holder', 'ready', isReady)
  await node.restartAgent()
  await plugin.stop()
  plugin = await startTestDevicePlugin(directory(), resource, ['a', 'b'])
  await expect.poll(amounts, { timeout: 15_000 }).toEqual(['2', '2'])
  node.run('late', wanting('1'))
  const late = await node.until('late', 'failed', (pod) => pod?.status?.phase === 'Failed')
  expect(late?.status).toMatchObject({
    reason: 'UnexpectedAdmissionError',
    message: `Pod was rejected: Allocate failed due to requested number of devices unavailable for ${resource}. Requested: 1, Available: 0, which is unexpected`,
  })
  expect(isReady(node.pod('holder'))).toBe(true)
  await remove('holder')
  node.run('next', wanting('1', 'true'))
  await node.until('next', 'succeeded', (pod) => pod?.status?.phase === 'Succeeded')
})

test('what a device plugin refuses is the pod’s reason', async () => {
  plugin.fail('broken')
  node.run('broken', wanting('1'))
  const pod = await node.until('broken', 'failed', (one) => one?.status?.phase === 'Failed')
  expect(pod?.status?.message).toContain('Allocate failed due to rpc error: broken')
})

test('a device plugin that goes takes its devices with it', async () => {
  await plugin.stop()
  await expect.poll(amounts, { timeout: 10_000 }).toEqual(['2', '0'])
})
