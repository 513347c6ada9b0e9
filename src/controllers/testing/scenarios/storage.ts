import fc from 'fast-check'
import { expect } from 'vitest'
import type { PersistentVolume, PersistentVolumeClaim, Pod, VolumeAttachment } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { template } from '../objects.ts'
import { index, node, type Scenario, steps } from '../scenario.ts'

const driver = 'csi.example.com'

/** Claims and volumes are bound to each other or to nobody; what is used stays, and is attached where it is used. */
export const storageScenario: Scenario = {
  controllers: ['persistentvolume-binder', 'pv-protection', 'pvc-protection', 'ephemeral-volume', 'attach-detach'],
  with: ['garbage-collector'],
  prepare: async () => undefined,
  step: fc.oneof(
    steps(fc.record({ number: index, size: fc.constantFrom(1, 5) }), 'volume', ({ cluster }, { number, size }) =>
      cluster.create(refs.persistentVolumes, {
        metadata: { name: `volume-${number}` },
        spec: {
          capacity: { storage: `${size}Gi` },
          accessModes: ['ReadWriteOnce'],
          csi: { driver, volumeHandle: `handle-${number}` },
        },
      }),
    ),
    steps(fc.record({ number: index, size: fc.constantFrom(1, 5) }), 'claim', ({ cluster }, { number, size }) =>
      cluster.create(refs.persistentVolumeClaims, {
        metadata: { name: `claim-${number}` },
        spec: {
          accessModes: ['ReadWriteOnce'],
          storageClassName: '',
          resources: { requests: { storage: `${size}Gi` } },
        },
      }),
    ),
    steps(fc.record({ number: index, nodeName: node }), 'pod', ({ cluster }, { number, nodeName }) =>
      cluster.create(refs.pods, {
        metadata: { name: `pod-${number}` },
        spec: {
          ...template().spec,
          nodeName,
          volumes: [
            { name: 'data', persistentVolumeClaim: { claimName: `claim-${number}` } },
            {
              name: 'scratch',
              ephemeral: {
                volumeClaimTemplate: {
                  spec: {
                    accessModes: ['ReadWriteOnce'],
                    storageClassName: 'none',
                    resources: { requests: { storage: '1Gi' } },
                  },
                },
              },
            },
          ],
        },
      }),
    ),
    steps(index, 'delete volume', ({ cluster }, number) =>
      cluster.client.delete(refs.persistentVolumes, '', `volume-${number}`),
    ),
    steps(index, 'delete claim', ({ cluster }, number) =>
      cluster.client.delete(refs.persistentVolumeClaims, 'default', `claim-${number}`),
    ),
    steps(index, 'delete pod', ({ cluster }, number) => cluster.client.delete(refs.pods, 'default', `pod-${number}`)),
  ),
  expectOrder({ cluster }) {
    const volumes = cluster.list<PersistentVolume>(refs.persistentVolumes)
    const claims = cluster.list<PersistentVolumeClaim>(refs.persistentVolumeClaims)
    const pods = cluster.list<Pod>(refs.pods)
    const usersOf = (claim: string): Pod[] =>
      pods.filter(
        ({ metadata, spec }) =>
          claim === `${metadata.name}-scratch` ||
          spec?.volumes?.some((one) => one.persistentVolumeClaim?.claimName === claim),
      )
    for (const { metadata, spec, status } of claims) {
      if (metadata.deletionTimestamp) expect(usersOf(metadata.name!)).not.toEqual([])
      if (status?.phase !== 'Bound') continue
      const volume = volumes.find((one) => one.metadata.name === spec!.volumeName)
      expect(volume?.spec?.claimRef?.uid).toBe(metadata.uid)
      expect(volume?.status?.phase).toBe('Bound')
    }
    for (const { metadata, spec, status } of volumes) {
      const claim = claims.find((one) => one.metadata.uid === spec?.claimRef?.uid)
      if (metadata.deletionTimestamp) expect(claim?.spec?.volumeName).toBe(metadata.name)
      if (status?.phase === 'Bound') expect(claim?.status?.phase).toBe('Bound')
    }
    const free = volumes.filter(({ status }) => status?.phase === 'Available')
    const sizeOf = (size: string | undefined): number => Number.parseInt(size ?? '0', 10)
    for (const { metadata, spec, status } of claims.filter((one) => one.spec?.storageClassName === '')) {
      if (status?.phase !== 'Pending' || metadata.deletionTimestamp) continue
      const wanted = sizeOf(spec?.resources?.requests?.['storage'])
      expect(free.filter((one) => sizeOf(one.spec?.capacity?.['storage']) >= wanted)).toEqual([])
    }
    for (const { metadata } of pods)
      expect(claims.map((one) => one.metadata.name)).toContain(`${metadata.name}-scratch`)
    const attached = cluster
      .list<VolumeAttachment>(refs.volumeAttachments)
      .map(({ spec }) => `${spec.source.persistentVolumeName} ${spec.nodeName}`)
    const used = volumes.flatMap(({ metadata, spec }) =>
      claims
        .filter((claim) => claim.metadata.uid === spec?.claimRef?.uid)
        .flatMap((claim) => usersOf(claim.metadata.name!).map((pod) => `${metadata.name} ${pod.spec!.nodeName}`)),
    )
    // What went from under its pod stays attached until the pod goes.
    const named = claims.flatMap(({ metadata, spec }) =>
      usersOf(metadata.name!).map((pod) => `${spec?.volumeName} ${pod.spec!.nodeName}`),
    )
    expect(attached).toEqual(expect.arrayContaining(used))
    expect(attached.filter((one) => !used.includes(one) && !named.includes(one))).toEqual([])
  },
}
