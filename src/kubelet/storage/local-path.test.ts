import { expect, test } from 'vitest'
import type { Node, PersistentVolumeClaim, Pod, StorageClass } from '../../api/kinds.ts'
import {
  boundClaim,
  boundClaimStatus,
  grownSize,
  isClaimInUse,
  isOwnVolume,
  provisionedVolume,
  provisioningNode,
} from './local-path.ts'

const storageClass: StorageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'local-path' },
  provisioner: 'stormo.dev/local-path',
  volumeBindingMode: 'WaitForFirstConsumer',
}

const claim = (storage = '1Gi', annotations: Record<string, string> = {}): PersistentVolumeClaim => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'data', namespace: 'shop', uid: '00000001-aa', annotations },
  spec: { storageClassName: 'local-path', accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
})

const node = (name: string, ready = 'True'): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  status: { conditions: [{ type: 'Ready', status: ready }] },
})

const volume = provisionedVolume(claim(), storageClass, { name: 'n1', hostname: 'host1' }, '/var/volumes')

test('a volume is its claim’s from the start, and is tied to its node', () => {
  expect(volume.spec).toMatchObject({
    capacity: { storage: '1Gi' },
    claimRef: { namespace: 'shop', name: 'data', uid: '00000001-aa' },
    persistentVolumeReclaimPolicy: 'Delete',
    local: { path: '/var/volumes/pvc-00000001-aa' },
  })
  expect(isOwnVolume(volume, 'n1')).toBe(true)
  expect(isOwnVolume(volume, 'n2')).toBe(false)
})

test('the chosen node provisions; without a choice a class that waits has none', () => {
  expect(provisioningNode(claim(), storageClass, [node('n1')])).toBeUndefined()
  const chosen = claim('1Gi', { 'volume.kubernetes.io/selected-node': 'n2' })
  expect(provisioningNode(chosen, storageClass, [node('n1')])).toBe('n2')
})

test('with immediate binding every node names the same one, and only one that is ready', () => {
  const immediate = { ...storageClass, volumeBindingMode: 'Immediate' }
  const nodes = [node('b'), node('a'), node('c', 'False')]
  expect(provisioningNode(claim(), immediate, nodes)).toBe('b')
  expect(provisioningNode(claim(), immediate, nodes.toReversed())).toBe('b')
})

test('binding says so once', () => {
  const bound = boundClaim(claim(), 'v')
  expect(bound?.spec?.volumeName).toBe('v')
  expect(bound && boundClaim(bound, 'v')).toBeUndefined()
  const status = boundClaimStatus(claim(), volume)
  expect(status).toEqual({ phase: 'Bound', accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' } })
  expect(boundClaimStatus({ ...claim(), status }, volume)).toBeUndefined()
})

test('claims grow and never shrink', () => {
  expect(grownSize(claim('2Gi'), volume)).toBe('2Gi')
  expect(grownSize(claim('1Gi'), volume)).toBeUndefined()
  expect(grownSize(claim('1Mi'), volume)).toBeUndefined()
})

test('a claim is in use while a pod on a node that has not ended names it', () => {
  const pod = (phase: string, nodeName?: string): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { nodeName, containers: [], volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] },
    status: { phase },
  })
  expect(isClaimInUse(claim(), [pod('Running', 'n1')])).toBe(true)
  expect(isClaimInUse(claim(), [pod('Succeeded', 'n1'), pod('Pending')])).toBe(false)
})
