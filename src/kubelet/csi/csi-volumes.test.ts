import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { CSIDriver, Pod } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { VirtualClock } from '../../lib/testing/virtual-clock.ts'
import { createMemoryCluster, type MemoryCluster } from '../testing/memory-cluster.ts'
import { createServiceAccountTokens } from '../volumes/service-account-tokens.ts'
import { csiNode } from './csi-api.ts'
import type { CsiDriverConnection } from './csi-drivers.ts'
import type { CsiVolume } from './csi-volume.ts'
import { createCsiVolumes, type CsiVolumes } from './csi-volumes.ts'

const name = 'test.csi'
const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop', uid: 'u1' } }
const volume: CsiVolume = {
  driver: name,
  handle: 'h',
  directory: 'scratch',
  ephemeral: true,
  fsType: '',
  mountFlags: [],
  accessModes: ['ReadWriteOnce'],
  attributes: {},
  block: false,
  readOnly: false,
}
const live = new AbortController().signal

let clock: VirtualClock
let cluster: MemoryCluster
let root: string
let volumes: CsiVolumes
let calls: { method: string; request: Record<string, unknown> }[]
/** Calls of this method wait until their signal fires. */
let hanging: string | undefined

const connection = {
  capabilities: new Set<number>(),
  async call(rpc: { path: string }, request: object, _timeoutMs: number, signal?: AbortSignal) {
    const method = rpc.path.replace('/csi.v1.Node/', '')
    calls.push({ method, request: request as Record<string, unknown> })
    if (method !== hanging) return {}
    return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('cancelled'))))
  },
} as unknown as CsiDriverConnection

const driver = (spec: CSIDriver['spec']): void => {
  cluster.put<CSIDriver>(refs.csiDrivers, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name },
    spec,
  })
}
const published = () => calls.filter(({ method }) => method === 'NodePublishVolume')
const contextOf = (index: number) => published()[index]?.request['volumeContext'] as Record<string, string>

beforeEach(async () => {
  clock = new VirtualClock()
  cluster = createMemoryCluster(() => clock.nowMs())
  root = await mkdtemp(join(tmpdir(), 'csi-volumes-'))
  calls = []
  hanging = undefined
  volumes = createCsiVolumes({
    ...cluster,
    root,
    nodeName: 'node-1',
    drivers: { get: (one: string) => (one === name ? connection : undefined) } as never,
    tokens: createServiceAccountTokens(cluster.client, clock),
    clock,
    onUse: () => {},
  })
})
afterEach(() => rm(root, { recursive: true, force: true }))

test('the driver gets tokens of the pod’s account for the audiences that it names', async () => {
  driver({ volumeLifecycleModes: ['Ephemeral'], tokenRequests: [{ audience: 'vault', expirationSeconds: 3_600 }] })
  await volumes.mount(pod, volume, live)
  const tokens = JSON.parse(contextOf(0)['csi.storage.k8s.io/serviceAccount.tokens'] ?? '') as object
  const expirationTimestamp = new Date(clock.nowMs() + 3_600_000).toISOString()
  expect(tokens).toEqual({ vault: { token: 'token-of-default', expirationTimestamp } })
})

test.each([
  [true, 2],
  [false, 1],
])('a volume with requiresRepublish %s is published %i times in two minutes', async (requiresRepublish, times) => {
  driver({ volumeLifecycleModes: ['Ephemeral'], requiresRepublish })
  await volumes.mount(pod, volume, live)
  await volumes.mount(pod, volume, live)
  expect(published()).toHaveLength(1)
  await clock.pass(90_000)
  await volumes.mount(pod, volume, live)
  expect(published()).toHaveLength(times)
})

test('a block volume is published as a file beside the pods', async () => {
  driver({ volumeLifecycleModes: ['Ephemeral'] })
  const target = await volumes.mount(pod, { ...volume, block: true }, live)
  expect(target).toBe(join(root, 'plugins/kubernetes.io/csi/volumeDevices/publish/scratch/u1'))
  expect(published()[0]?.request['volumeCapability']).toEqual({ block: {}, accessMode: { mode: 1 } })
})

test('a call that hangs is given up with its pod, and holds up no other volume', async () => {
  driver({ volumeLifecycleModes: ['Ephemeral'] })
  hanging = csiNode.publish.path.replace('/csi.v1.Node/', '')
  const ending = new AbortController()
  const stuck = volumes.mount(pod, volume, ending.signal)
  await expect.poll(() => published().length).toBe(1)
  hanging = undefined
  await volumes.mount({ ...pod, metadata: { ...pod.metadata, uid: 'u2' } }, { ...volume, handle: 'other' }, live)
  ending.abort()
  await expect(stuck).rejects.toThrow('cancelled')
  await volumes.unmount('u1')
  expect(calls.at(-1)?.method).toBe('NodeUnpublishVolume')
})
