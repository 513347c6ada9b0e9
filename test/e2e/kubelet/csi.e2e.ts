import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type {
  CSIDriver,
  CSINode,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  PodSpec,
  VolumeAttachment,
} from '../../../src/api/kinds.ts'
import { refs } from '../../../src/client/client.ts'
import { attachmentName } from '../../../src/kubelet/csi/csi-volume.ts'
import { startTestCsiDriver, type TestCsiDriver } from '../../images/csi-driver.ts'
import { nodeFixture, isReady, type NodeFixture } from './node-fixture.ts'

const name = 'test.csi.stormo.dev'
let node: NodeFixture
let driver: TestCsiDriver
const root = () => join(node.machine.directory, 'kubelet')

beforeAll(async () => {
  node = await nodeFixture('10.251.11')
  node.cluster.put<CSIDriver>(refs.csiDrivers, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name },
    spec: { podInfoOnMount: true, fsGroupPolicy: 'File', volumeLifecycleModes: ['Persistent', 'Ephemeral'] },
  })
  driver = await startTestCsiDriver({ name, root: root(), topology: { 'topology.test/zone': 'z1' } })
}, 60_000)

afterAll(async () => {
  await driver?.stop()
  await node?.down()
}, 60_000)

const csiNode = () => node.cluster.get<CSINode>(refs.csiNodes, '', 'node-1')
const claimOf = (claim: string) =>
  node.cluster.get<PersistentVolumeClaim>(refs.persistentVolumeClaims, 'default', claim)
const methods = () => driver.calls.map(({ method }) => method)
const lastCall = (method: string) => driver.calls.findLast((call) => call.method === method)?.request

/** A volume that is bound to a claim of its name, as a provisioner leaves them. */
function provision(volume: string, volumeMode = 'Filesystem'): void {
  node.cluster.put<PersistentVolume>(refs.persistentVolumes, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volume },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '1Gi' },
      volumeMode,
      csi: { driver: name, volumeHandle: `handle-${volume}`, volumeAttributes: { kind: 'test' } },
    },
  })
  node.cluster.put<PersistentVolumeClaim>(refs.persistentVolumeClaims, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: volume, namespace: 'default' },
    spec: { volumeName: volume, accessModes: ['ReadWriteOnce'] },
    status: { phase: 'Bound', capacity: { storage: '1Gi' } },
  })
}

function attach(volume: string): void {
  node.cluster.put<VolumeAttachment>(refs.volumeAttachments, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'VolumeAttachment',
    metadata: { name: attachmentName(`handle-${volume}`, name, 'node-1') },
    spec: { attacher: name, nodeName: 'node-1', source: { persistentVolumeName: volume } },
    status: { attached: true, attachmentMetadata: { device: 'd1' } },
  })
}

const writer = (volume: NonNullable<PodSpec['volumes']>[0], more: Partial<PodSpec> = {}): PodSpec => ({
  containers: [
    {
      name: 'main',
      image: 'busybox:1',
      command: ['sh', '-c', 'echo $POD > /data/file && sleep 1000'],
      env: [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
      volumeMounts: [{ name: volume.name, mountPath: '/data' }],
    },
  ],
  volumes: [volume],
  ...more,
})

test('a CSI driver registers by its socket: CSINode, topology labels, node id', async () => {
  await expect.poll(() => driver.registered(), { timeout: 10_000 }).toBe(true)
  expect(csiNode()?.spec.drivers).toEqual([
    { name, nodeID: 'node-1', topologyKeys: ['topology.test/zone'], allocatable: { count: 16 } },
  ])
  const { metadata } = node.cluster.get<Node>(refs.nodes, '', 'node-1') ?? {}
  expect(metadata?.labels?.['topology.test/zone']).toBe('z1')
  expect(metadata?.annotations?.['csi.volume.kubernetes.io/nodeid']).toBe(JSON.stringify({ [name]: 'node-1' }))
})

test('a CSI volume waits for its attachment, is staged, published, given to the group, and taken away', async () => {
  provision('data')
  const volume = { name: 'v', persistentVolumeClaim: { claimName: 'data' } }
  node.run('first', writer(volume, { securityContext: { fsGroup: 5_000 } }))
  const said = () => node.cluster.recorded.find((one) => one.name === 'first' && one.reason === 'FailedMount')?.message
  await expect.poll(said, { timeout: 10_000 }).toContain('is not attached to this node yet')
  expect(methods()).not.toContain('stage')
  attach('data')
  const pod = await node.until('first', 'ready', isReady)
  expect(lastCall('stage')).toMatchObject({ volumeId: 'handle-data', publishContext: { device: 'd1' } })
  expect(lastCall('publish')).toMatchObject({
    readonly: false,
    volumeContext: { kind: 'test', 'csi.storage.k8s.io/pod.name': 'first', 'csi.storage.k8s.io/ephemeral': 'false' },
    volumeCapability: { accessMode: { mode: 1 } },
  })
  const target = join(root(), 'pods', pod?.metadata.uid ?? '', 'volumes', 'kubernetes.io~csi', 'data', 'mount')
  await expect.poll(() => readFile(join(target, 'file'), 'utf8').catch(() => '')).toBe('first\n')
  const inUse = () => node.cluster.get<Node>(refs.nodes, '', 'node-1')?.status?.volumesInUse
  await expect.poll(inUse, { timeout: 10_000 }).toEqual([`kubernetes.io/csi/${name}^handle-data`])

  node.run('second', writer(volume))
  await node.until('second', 'ready', isReady)
  await node.restartAgent()
  await node.cluster.client.delete(refs.pods, 'default', 'first')
  await node.until('first', 'gone', (one) => one === undefined)
  expect(methods()).not.toContain('unstage')
  expect(existsSync(target)).toBe(false)
  await node.cluster.client.delete(refs.pods, 'default', 'second')
  await node.until('second', 'gone', (one) => one === undefined)
  expect(methods().slice(-2)).toEqual(['unpublish', 'unstage'])
  await expect.poll(inUse, { timeout: 15_000 }).toBeUndefined()
})

test('a CSI volume that has grown grows its file system, and the claim says so', async () => {
  provision('grows')
  attach('grows')
  node.run('grower', writer({ name: 'v', persistentVolumeClaim: { claimName: 'grows' } }))
  await node.until('grower', 'ready', isReady)
  await node.cluster.client.mutate<PersistentVolume>(refs.persistentVolumes, '', 'grows', (volume) => ({
    ...volume,
    spec: { ...volume.spec, capacity: { storage: '2Gi' } },
  }))
  const pending = { type: 'FileSystemResizePending', status: 'True' }
  await node.cluster.client.mutate<PersistentVolumeClaim>(refs.persistentVolumeClaims, 'default', 'grows', (claim) => ({
    ...claim,
    status: { ...claim.status, conditions: [pending] },
  }))
  await expect
    .poll(() => claimOf('grows')?.status, { timeout: 10_000 })
    .toMatchObject({
      capacity: { storage: '2Gi' },
      conditions: [],
    })
  expect(lastCall('expand')).toMatchObject({ capacityRange: { requiredBytes: 2 ** 31 } })
})

test('an inline CSI volume lives with its pod, without attachment or staging', async () => {
  const before = driver.calls.length
  const pod = node.run('inline', writer({ name: 'scratch', csi: { driver: name, volumeAttributes: { size: '1' } } }))
  await node.until('inline', 'ready', isReady)
  const mine = driver.calls.slice(before)
  expect(mine.map(({ method }) => method)).toEqual(['publish'])
  expect(mine[0]?.request).toMatchObject({
    stagingTargetPath: '',
    volumeContext: {
      size: '1',
      'csi.storage.k8s.io/ephemeral': 'true',
      'csi.storage.k8s.io/pod.uid': pod.metadata.uid,
    },
  })
  await node.cluster.client.delete(refs.pods, 'default', 'inline')
  await node.until('inline', 'gone', (one) => one === undefined)
  expect(methods().at(-1)).toBe('unpublish')
})

test('a raw block volume of a CSI driver is a device of its container', async () => {
  provision('raw', 'Block')
  attach('raw')
  const command = ['sh', '-c', 'test -b /dev/xvda && sleep 1000']
  node.run('raw', {
    containers: [
      { name: 'main', image: 'busybox:1', command, volumeDevices: [{ name: 'v', devicePath: '/dev/xvda' }] },
    ],
    volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'raw' } }],
  })
  await node.until('raw', 'ready', isReady)
  expect(lastCall('publish')).toMatchObject({ volumeCapability: { block: {} } })
  const target = String(lastCall('publish')?.['targetPath'])
  await node.cluster.client.delete(refs.pods, 'default', 'raw')
  await node.until('raw', 'gone', (one) => one === undefined)
  expect(existsSync(target)).toBe(false)
})

test('a CSI call that hangs holds neither its own pod’s end nor other pods', async () => {
  const release = driver.hold('publish')
  const before = driver.calls.length
  node.run('stuck', writer({ name: 'scratch', csi: { driver: name } }))
  await expect.poll(() => driver.calls.slice(before).map(({ method }) => method)).toContain('publish')
  node.run('free', { containers: [{ name: 'main', image: 'busybox:1', command: ['sleep', '1000'] }] })
  await node.until('free', 'ready', isReady)
  await node.until('stuck', 'waiting', (one) => one?.status?.phase === 'Pending')
  await node.cluster.client.delete(refs.pods, 'default', 'stuck')
  await node.until('stuck', 'gone', (one) => one === undefined)
  release()
  await node.cluster.client.delete(refs.pods, 'default', 'free')
})

test('what a CSI driver refuses is said, and tried again', async () => {
  driver.fail('publish', 'no room')
  node.run('refused', writer({ name: 'scratch', csi: { driver: name } }))
  const said = () =>
    node.cluster.recorded.find((one) => one.name === 'refused' && one.reason === 'FailedMount')?.message
  await expect
    .poll(said, { timeout: 10_000 })
    .toBe('MountVolume.SetUp failed for volume "scratch" : rpc error: no room')
  driver.fail('publish', undefined)
  await node.until('refused', 'ready', isReady)
  await node.cluster.client.delete(refs.pods, 'default', 'refused')
  await node.until('refused', 'gone', (one) => one === undefined)
})

test('a CSI driver that goes is taken from the CSINode', async () => {
  await node.cluster.client.delete(refs.pods, 'default', 'grower')
  await node.until('grower', 'gone', (one) => one === undefined)
  await driver.stop()
  await expect.poll(() => csiNode()?.spec.drivers, { timeout: 10_000 }).toEqual([])
})
