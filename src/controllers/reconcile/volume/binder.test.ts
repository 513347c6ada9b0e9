import { expect, test } from 'vitest'
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { listedInformers } from '../../../client/listed-informers.ts'
import { createAbsence } from '../../absence.ts'
import { indexedView } from '../../indexed-view.ts'
import { volumeBinder } from './binder.ts'

const goingClaim: PersistentVolumeClaim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: {
    name: 'data',
    namespace: 'default',
    uid: 'claim-1',
    deletionTimestamp: '2026-01-01T00:00:00Z',
    finalizers: ['kubernetes.io/pvc-protection'],
  },
  spec: { accessModes: ['ReadWriteOnce'], storageClassName: '', resources: { requests: { storage: '1Gi' } } },
}
const volume = (claimRef?: object): PersistentVolume => ({
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { name: 'disk', uid: 'volume-1' },
  spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/d' }, claimRef },
})

const planned = (...all: PersistentVolume[]) =>
  volumeBinder(createAbsence(60_000)).plan(
    'claim/default/data',
    indexedView(
      listedInformers([
        [refs.persistentVolumes, all],
        [refs.persistentVolumeClaims, [goingClaim]],
      ]),
    ),
    0,
  ).actions

test('a claim that goes reserves nothing', () => {
  expect(planned(volume())).toEqual([])
})

test('a claim that goes, and that a pod still holds, follows the volume that is reserved for it', () => {
  const reference = { kind: 'PersistentVolumeClaim', namespace: 'default', name: 'data', uid: 'claim-1' }
  const [action] = planned(volume(reference))
  if (action?.do !== 'mutate') throw new Error('the claim is written')
  expect(action.change(structuredClone(goingClaim))).toMatchObject({ spec: { volumeName: 'disk' } })
})

test('a volume that is reserved is looked at when its claim ends before it follows, and is released', () => {
  const reference = { kind: 'PersistentVolumeClaim', namespace: 'default', name: 'data', uid: 'claim-1' }
  const binder = volumeBinder(createAbsence(60_000))
  const view = indexedView(listedInformers([[refs.persistentVolumes, [volume(reference)]]]))
  const [claims] = binder.watches.filter(({ ref }) => ref === refs.persistentVolumeClaims)
  const change = { object: undefined, previous: goingClaim, namespace: 'default', name: 'data' }
  expect(claims!.keysOf(change, view)).toContain('volume//disk')
  const [action] = binder.plan('volume//disk', view, 0).actions
  if (action?.do !== 'mutate') throw new Error('the volume is written')
  expect(action.change(volume(reference))).toMatchObject({ status: { phase: 'Released' } })
})
