import { expect, test } from 'vitest'
import type { CSIStorageCapacity, LabelSelector, PersistentVolumeClaim, StorageClass } from '../../api/kinds.ts'
import { createNodeInfo } from '../framework/node-info.ts'
import { podInfoOf } from '../framework/pod-info.ts'
import { createCluster } from '../framework/cluster.ts'
import { makeNode, makePod, makeSurroundings } from '../testing/objects.ts'
import { volumeBinding } from './volume-binding.ts'

const driver = 'disk.example.com'
const storageClass: StorageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'fast' },
  provisioner: driver,
  volumeBindingMode: 'WaitForFirstConsumer',
}
const claim: PersistentVolumeClaim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'data', namespace: 'default' },
  spec: { storageClassName: 'fast', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Gi' } } },
}
const of = (nodeTopology: LabelSelector | undefined, amounts: Partial<CSIStorageCapacity>): CSIStorageCapacity => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'CSIStorageCapacity',
  metadata: { name: 'c', namespace: 'default' },
  storageClassName: 'fast',
  ...(nodeTopology ? { nodeTopology } : {}),
  ...amounts,
})
const zone = (name: string): LabelSelector => ({ matchLabels: { 'topology.kubernetes.io/zone': name } })

/** What the plugin says of a node in zone `x`. */
function said(capacities: readonly CSIStorageCapacity[], tells = true): readonly string[] {
  const surroundings = makeSurroundings()
  const cluster = createCluster({
    ...surroundings,
    volumes: {
      ...surroundings.volumes,
      claim: () => claim,
      storageClass: () => storageClass,
      csiDriver: (name) => ({
        apiVersion: 'storage.k8s.io/v1',
        kind: 'CSIDriver',
        metadata: { name },
        spec: { storageCapacity: tells },
      }),
      storageCapacities: () => capacities,
    },
  })
  const pod = podInfoOf(
    makePod('p', { spec: { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] } }),
  )
  const prepared = volumeBinding.prepare(pod, cluster)
  if (prepared === 'skip' || !('state' in prepared)) throw new Error('the plugin has nothing to say')
  return volumeBinding.filter(pod, createNodeInfo(makeNode('n', { zone: 'x' })), prepared.state)?.reasons ?? []
}

const full = ['node(s) did not have enough free storage']

test.each<[string, CSIStorageCapacity[], readonly string[]]>([
  ['nothing is reported', [], full],
  ['there is room', [of(zone('x'), { capacity: '20Gi' })], []],
  ['there is exactly enough', [of(zone('x'), { capacity: '10Gi' })], []],
  ['there is too little', [of(zone('x'), { capacity: '9Gi' })], full],
  ['volumes may not be that large', [of(zone('x'), { capacity: '20Gi', maximumVolumeSize: '5Gi' })], full],
  ['the room is elsewhere', [of(zone('y'), { capacity: '20Gi' })], full],
  ['the room is nowhere', [of(undefined, { capacity: '20Gi' })], full],
  ['no amount is known', [of(zone('x'), {})], full],
  ['one of several has room', [of(zone('x'), { capacity: '1Gi' }), of({}, { capacity: '20Gi' })], []],
])('%s', (_, capacities, reasons) => {
  expect(said(capacities)).toEqual(reasons)
})

test('a driver that does not report its capacity is asked by trying', () => {
  expect(said([], false)).toEqual([])
})
