import { describe, expect, test } from 'vitest'
import type { GroupResource, KubeObject } from '../api/object.ts'
import { refs } from '../client/client.ts'
import type { View } from './controller.ts'
import { attachDetachController } from './attach-detach.ts'

const volume = {
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { name: 'pv', uid: 'pv' },
  spec: {
    accessModes: ['ReadWriteOnce'],
    csi: { driver: 'd', volumeHandle: 'h' },
    claimRef: { namespace: 'default', name: 'claim' },
  },
}
const claim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'claim', namespace: 'default', uid: 'claim' },
  spec: { volumeName: 'pv' },
}
const pod = (nodeName: string, phase = 'Running') => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: `on-${nodeName}`, namespace: 'default', uid: nodeName },
  spec: { nodeName, volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'claim' } }] },
  status: { phase },
})
const node = (name: string, volumesInUse: string[] = [], taints: object[] = []) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, uid: name },
  spec: { taints },
  status: { volumesInUse },
})

type Objects = readonly (readonly [GroupResource, object])[]

/** What one look does, and the attachments that there are afterwards. */
function look(objects: Objects, attachments: readonly KubeObject[] = []) {
  const all = [...objects, ...attachments.map((one) => [refs.volumeAttachments, one] as const)]
  const list = (ref: GroupResource) => all.filter(([of]) => of === ref).map(([, object]) => object as KubeObject)
  const view: View = {
    get: (ref, _namespace, name) => list(ref).find(({ metadata }) => metadata.name === name) as never,
    list: (ref) => list(ref) as never,
    indexed: (ref, index, value) => list(ref).filter((one) => index.valuesOf(one).includes(value)) as never,
    countIndexed: (ref, index, value) => view.indexed(ref, index, value).length,
  }
  const { actions } = attachDetachController.plan('/pv', view, 0)
  const made = actions.flatMap((one) => (one.do === 'create' ? [one.object] : []))
  const words = actions.map((one) =>
    one.do === 'create'
      ? `attach to ${(one.object as { spec?: { nodeName?: string } }).spec?.nodeName}`
      : one.do === 'event'
        ? one.message
        : one.do,
  )
  return { words, made: made.map((one) => ({ ...one, metadata: { ...one.metadata, uid: 'made' } })) }
}

const stored: Objects = [
  [refs.persistentVolumes, volume],
  [refs.persistentVolumeClaims, claim],
]
const used = 'kubernetes.io/csi/d^h'

test('a volume is attached to the node of its pod, once', () => {
  const objects: Objects = [...stored, [refs.nodes, node('a')], [refs.pods, pod('a')]]
  const { words, made } = look(objects)
  expect(words).toEqual(['attach to a'])
  expect(made[0]?.metadata.name).toMatch(/^csi-[0-9a-f]{64}$/)
  expect(look(objects, made).words).toEqual([])
})

test('what is attached is told once, in the node and of the pod, and no longer when it is not', () => {
  const objects: Objects = [...stored, [refs.nodes, node('a')], [refs.pods, pod('a')]]
  const attached = look(objects).made.map((one) => ({ ...one, status: { attached: true } }))
  expect(look(objects, attached).words).toEqual(['mutate', 'AttachVolume.Attach succeeded for volume "pv" '])
  const telling = { ...node('a'), status: { volumesAttached: [{ name: used, devicePath: '' }] } }
  expect(look([...stored, [refs.nodes, telling], [refs.pods, pod('a')]], attached).words).toEqual([])
  expect(look([...stored, [refs.nodes, telling]]).words).toEqual(['mutate'])
})

test('it is detached when its last pod has ended and the node has let go of it, or is known to be off', () => {
  const { made } = look([...stored, [refs.nodes, node('a')], [refs.pods, pod('a')]])
  const ended = [refs.pods, pod('a', 'Succeeded')] as const
  expect(look([...stored, [refs.nodes, node('a', [used])], ended], made).words).toEqual([])
  expect(look([...stored, [refs.nodes, node('a')], ended], made).words).toEqual(['delete'])
  const off = node('a', [used], [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }])
  expect(look([...stored, [refs.nodes, off], ended], made).words).toEqual(['delete'])
})

test('a volume of one node at a time waits for the other one', () => {
  const { made } = look([...stored, [refs.nodes, node('a')], [refs.pods, pod('a')]])
  const both: Objects = [...stored, [refs.nodes, node('a', [used])], [refs.nodes, node('b')], [refs.pods, pod('b')]]
  expect(look(both, made).words).toEqual([expect.stringMatching(/^Multi-Attach error for volume "pv"/)])
})

test('drivers that need no attachment, and attachments of others, are left alone', () => {
  const driver = {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name: 'd' },
    spec: { attachRequired: false },
  }
  expect(look([...stored, [refs.csiDrivers, driver], [refs.pods, pod('a')]]).words).toEqual([])
  const foreign = {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'VolumeAttachment',
    metadata: { name: 'mine', uid: 'mine' },
    spec: { attacher: 'd', nodeName: 'a', source: { persistentVolumeName: 'pv' } },
  }
  expect(look(stored, [foreign]).words).toEqual([])
})

test('a node no longer tells of a volume that was deleted before it was detached', () => {
  const telling = { ...node('a'), status: { volumesAttached: [{ name: used, devicePath: '' }] } }
  const { made } = look([...stored, [refs.nodes, node('a')], [refs.pods, pod('a')]])
  const attached = made.map((one) => ({ ...one, status: { attached: true } }))
  expect(look([[refs.nodes, telling]], attached).words).toEqual(['delete'])
  expect(look([[refs.nodes, telling]]).words).toEqual(['mutate'])
})

describe('a volume that is gone', () => {
  const { made } = look([
    [refs.persistentVolumes, volume],
    [refs.persistentVolumeClaims, claim],
    [refs.pods, pod('n1')],
  ])

  test('is detached once no pod uses its claim', () => {
    const objects = (phase: string): Objects => [
      [refs.persistentVolumeClaims, claim],
      [refs.pods, pod('n1', phase)],
    ]
    expect(look(objects('Running'), made).words).toEqual([])
    expect(look(objects('Succeeded'), made).words).toEqual(['delete'])
  })

  test('is not detached while the node says that it is mounted', () => {
    expect(look([[refs.nodes, node('n1', ['kubernetes.io/csi/d^h'])]], made).words).toEqual([])
    expect(look([[refs.nodes, node('n1', ['kubernetes.io/csi/d^other'])]], made).words).toEqual(['delete'])
  })
})
