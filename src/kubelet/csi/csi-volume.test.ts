import { describe, expect, test } from 'vitest'
import type { CSIDriver, PersistentVolume } from '../../api/kinds.ts'
import { must } from '../../lib/assert.ts'
import { nodeCapabilities } from './csi-api.ts'
import { labelledNode, newCsiNode, withDriver, withoutDriver } from './csi-node-object.ts'
import { lifecycleRefusal, persistentCsiVolume, takesGroup, volumeCapability } from './csi-volume.ts'

const volume = (accessModes: string[], fsType = 'ext4', volumeMode = 'Filesystem') => {
  const persistent: PersistentVolume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'pv' },
    spec: { accessModes, volumeMode, csi: { driver: 'd', volumeHandle: 'h', fsType } },
  }
  return must(persistentCsiVolume(persistent, false), 'it is of a driver')
}
const driver = (spec: CSIDriver['spec']): CSIDriver => ({ apiVersion: 'v1', kind: 'CSIDriver', metadata: {}, spec })

describe('access modes in the words of CSI', () => {
  const tellsWriters = new Set<number>([nodeCapabilities.singleNodeMultiWriter])
  test.each([
    [['ReadWriteOnce'], new Set<number>(), 1],
    [['ReadWriteOnce'], tellsWriters, 7],
    [['ReadWriteOncePod'], new Set<number>(), 1],
    [['ReadWriteOncePod'], tellsWriters, 6],
    [['ReadOnlyMany'], new Set<number>(), 3],
    [['ReadWriteOnce', 'ReadWriteMany'], new Set<number>(), 5],
  ])('%j', (modes, capabilities, mode) => {
    expect(volumeCapability(volume(modes), capabilities, undefined).accessMode.mode).toBe(mode)
  })

  test('a block volume has no file system', () => {
    expect(volumeCapability(volume(['ReadWriteOnce'], '', 'Block'), new Set(), 5)).toEqual({
      block: {},
      accessMode: { mode: 1 },
    })
  })
})

test.each([
  ['with a file system for one node', volume(['ReadWriteOnce']), undefined, true],
  ['without a file system', volume(['ReadWriteOnce'], ''), undefined, false],
  ['of many nodes', volume(['ReadWriteMany']), undefined, false],
  ['of many nodes, where the driver says so', volume(['ReadWriteMany'], ''), driver({ fsGroupPolicy: 'File' }), true],
  ['where the driver forbids it', volume(['ReadWriteOnce']), driver({ fsGroupPolicy: 'None' }), false],
])('a volume is given to the group of its pod: %s', (_name, one, of, expected) => {
  expect(takesGroup(one, of)).toBe(expected)
})

test('a driver serves the kinds of volume that it says, lasting ones by default', () => {
  const inline = { ...volume([]), ephemeral: true }
  expect(lifecycleRefusal(volume([]), undefined)).toBeUndefined()
  expect(lifecycleRefusal(inline, driver({ volumeLifecycleModes: ['Ephemeral'] }))).toBeUndefined()
  expect(lifecycleRefusal(inline, driver({}))).toBe(
    'volume mode "Ephemeral" not supported by driver d (only supports ["Persistent"])',
  )
})

test('a node says which drivers it has, and each change once', () => {
  const info = { nodeId: 'n', maxVolumesPerNode: 0, accessibleTopology: { segments: { zone: 'z' } } }
  const registered = { driver: 'd', info }
  const one = must(withDriver(newCsiNode('node', 'uid'), registered), 'it is new')
  expect(one.spec.drivers).toEqual([{ name: 'd', nodeID: 'n', topologyKeys: ['zone'] }])
  expect(withDriver(one, registered)).toBeUndefined()
  expect(withoutDriver(one, 'other')).toBeUndefined()
  expect(withoutDriver(one, 'd')?.spec.drivers).toEqual([])
  const node = must(
    labelledNode({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node' } }, registered),
    'it is new',
  )
  expect(node.metadata.labels).toEqual({ zone: 'z' })
  expect(labelledNode(node, registered)).toBeUndefined()
})
