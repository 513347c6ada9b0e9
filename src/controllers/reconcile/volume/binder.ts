import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import type { Absence } from '../../absence.ts'
import {
  type Action,
  type Controller,
  type Index,
  nothing,
  type Plan,
  referenceTo,
  type View,
} from '../../controller.ts'
import { sameJson } from '../../../lib/same-json.ts'
import { eventAction, mutateAction } from '../workload.ts'
import { classOf, findVolume, isReservedFor, satisfies, storageClassOf } from './matching.ts'

const bindCompleted = 'pv.kubernetes.io/bind-completed'
const boundByController = 'pv.kubernetes.io/bound-by-controller'
const selectedNode = 'volume.kubernetes.io/selected-node'
const provisionerKeys = ['volume.kubernetes.io/storage-provisioner', 'volume.beta.kubernetes.io/storage-provisioner']
/** A claim that found no volume looks again this often, as upstream's resync does. */
const pollMs = 15_000

/** Volumes by the claim that they are reserved for. */
const byClaimRef: Index = {
  name: 'claim-ref',
  valuesOf: (volume) => {
    const { claimRef } = (volume as PersistentVolume).spec ?? {}
    return claimRef ? [`${claimRef.namespace}/${claimRef.name}`] : []
  },
}

const { persistentVolumes: volumes, persistentVolumeClaims: claims, storageClasses } = refs

/**
 * Brings claims and volumes together (core/v1 PersistentVolumeClaim). A volume is reserved first, by its claimRef; the
 * claim follows. Provisioning itself is done by whoever the class names, who makes a volume with that claimRef. Keys:
 * `claim/<namespace>/<name>` and `volume//<name>`.
 */
export function volumeBinder(absence: Absence): Controller {
  const claimKey = (namespace = '', name = ''): string => `claim/${namespace}/${name}`
  const pending = (view: View): string[] =>
    view
      .list<PersistentVolumeClaim>(claims)
      .filter((claim) => claim.status?.phase !== 'Bound')
      .map(({ metadata }) => claimKey(metadata.namespace, metadata.name))
  return {
    name: 'persistentvolume-binder',
    watches: [
      {
        ref: claims,
        keysOf({ object, previous, namespace, name }, view) {
          const { uid = '' } = (object ?? previous)!.metadata
          if (object) absence.present(uid)
          else absence.went(uid)
          const volumeName = ((object ?? previous) as PersistentVolumeClaim).spec?.volumeName
          // A volume may be reserved for a claim that does not name it yet.
          const reserved = view.indexed<PersistentVolume>(volumes, byClaimRef, `${namespace}/${name}`)
          const names = new Set([...reserved.map(({ metadata }) => metadata.name), ...(volumeName ? [volumeName] : [])])
          return [claimKey(namespace, name), ...[...names].map((one) => `volume//${one}`)]
        },
      },
      {
        ref: volumes,
        keysOf({ object, previous, name }, view) {
          const { claimRef } = ((object ?? previous) as PersistentVolume).spec ?? {}
          return [`volume//${name}`, ...(claimRef ? [claimKey(claimRef.namespace, claimRef.name)] : pending(view))]
        },
      },
      { ref: storageClasses, keysOf: (_change, view) => pending(view) },
    ],
    keys: (view) => [
      ...view.list<PersistentVolumeClaim>(claims).map(({ metadata }) => claimKey(metadata.namespace, metadata.name)),
      ...view.list<PersistentVolume>(volumes).map(({ metadata }) => `volume//${metadata.name}`),
    ],
    plan(key, view, nowMs) {
      const [kind, namespace = '', name = ''] = key.split('/')
      return kind === 'claim' ? planClaim(namespace, name, view) : planVolume(name, view, nowMs, absence)
    },
  }
}

function planClaim(namespace: string, name: string, view: View): Plan {
  const claim = view.get<PersistentVolumeClaim>(claims, namespace, name)
  if (!claim?.spec) return nothing
  const { volumeName } = claim.spec
  const volume = volumeName ? view.get<PersistentVolume>(volumes, '', volumeName) : undefined
  if (claim.metadata.annotations?.[bindCompleted]) {
    if (volume && isReservedFor(volume, claim)) return { actions: claimBound(claim, volume) }
    return { actions: phase(claim, { phase: 'Lost' }, volume ? 'ClaimMisbound' : 'ClaimLost', lostMessage(volume)) }
  }
  const found = volumeName ? volume : findVolume(claim, view)
  // Nothing is begun for a claim that goes. What is reserved for it follows: its pod may need both for long.
  if (claim.metadata.deletionTimestamp && !(found && isReservedFor(found, claim))) return nothing
  if (volumeName) {
    if (!volume) return { actions: phase(claim, { phase: 'Pending' }), requeueAfterMs: pollMs }
    if (volume.spec?.claimRef && !isReservedFor(volume, claim))
      return {
        actions: phase(
          claim,
          { phase: 'Pending' },
          'FailedBinding',
          `volume "${volumeName}" already bound to a different claim.`,
        ),
      }
    if (!satisfies(volume, claim))
      return {
        actions: phase(
          claim,
          { phase: 'Pending' },
          'VolumeMismatch',
          `Cannot bind to requested volume "${volumeName}": requested PV is too small or does not match`,
        ),
      }
    return { actions: bind(claim, volume) }
  }
  if (found && (found.spec?.claimRef || !waitsForConsumer(claim, view))) return { actions: bind(claim, found) }
  return { actions: provision(claim, view), requeueAfterMs: pollMs }
}

const lostMessage = (volume: PersistentVolume | undefined): string =>
  volume
    ? 'Two claims are bound to the same volume, this one is bound incorrectly'
    : 'Bound claim has lost its PersistentVolume. Data on the volume is lost!'

const waitsForConsumer = (claim: PersistentVolumeClaim, view: View): boolean =>
  storageClassOf(claim, view)?.volumeBindingMode === 'WaitForFirstConsumer' &&
  !claim.metadata.annotations?.[selectedNode]

/** Reserves the volume, or, once it is reserved, lets the claim follow. */
function bind(claim: PersistentVolumeClaim, volume: PersistentVolume): Action[] {
  if (volume.spec?.claimRef?.uid !== claim.metadata.uid) {
    const { apiVersion, kind, name, namespace, uid, resourceVersion } = referenceTo(claim)
    return [
      mutateAction(volumes, volume, (current) => {
        // Somebody else's claim may have been quicker.
        if (current.spec?.claimRef && !isReservedFor(current, claim)) return undefined
        const annotations = current.spec?.claimRef
          ? current.metadata.annotations
          : { ...current.metadata.annotations, [boundByController]: 'yes' }
        return {
          ...current,
          metadata: { ...current.metadata, annotations },
          spec: { ...current.spec, claimRef: { apiVersion, kind, name, namespace, uid, resourceVersion } },
        }
      }),
    ]
  }
  return [
    mutateAction(claims, claim, (current) => {
      if (current.spec?.volumeName && current.spec.volumeName !== volume.metadata.name) return undefined
      current.metadata.annotations = {
        ...current.metadata.annotations,
        [bindCompleted]: 'yes',
        ...(current.spec?.volumeName ? {} : { [boundByController]: 'yes' }),
      }
      current.spec = { ...current.spec, volumeName: volume.metadata.name }
      return current
    }),
  ]
}

function claimBound(claim: PersistentVolumeClaim, volume: PersistentVolume): Action[] {
  const size = volume.spec?.capacity?.['storage']
  return phase(claim, {
    ...claim.status,
    phase: 'Bound',
    accessModes: volume.spec?.accessModes,
    ...(claim.status?.phase === 'Bound' && claim.status.capacity
      ? {}
      : size === undefined
        ? {}
        : { capacity: { storage: size } }),
  })
}

/** Asks the class's provisioner by annotation, or says why there is no volume. */
function provision(claim: PersistentVolumeClaim, view: View): Action[] {
  const storageClass = storageClassOf(claim, view)
  const pendingStatus = { phase: 'Pending' }
  const { annotations = {} } = claim.metadata
  if (classOf(claim) === '')
    return phase(
      claim,
      pendingStatus,
      'FailedBinding',
      'no persistent volumes available for this claim and no storage class is set',
    )
  if (!storageClass)
    return phase(
      claim,
      pendingStatus,
      'ProvisioningFailed',
      `storageclass.storage.k8s.io "${classOf(claim)}" not found`,
    )
  if (waitsForConsumer(claim, view))
    return phase(
      claim,
      pendingStatus,
      'WaitForFirstConsumer',
      'waiting for first consumer to be created before binding',
    )
  const { provisioner } = storageClass
  if (provisioner === 'kubernetes.io/no-provisioner')
    return phase(claim, pendingStatus, 'FailedBinding', 'no persistent volumes available for this claim')
  if (annotations[provisionerKeys[0]!] === provisioner) return phase(claim, pendingStatus)
  return [
    mutateAction(claims, claim, (current) => {
      current.metadata.annotations = {
        ...current.metadata.annotations,
        ...Object.fromEntries(provisionerKeys.map((key) => [key, provisioner])),
      }
      return current
    }),
    eventAction(
      referenceTo(claim),
      'Normal',
      'ExternalProvisioning',
      `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`,
    ),
  ]
}

/** The claim's status, and, when it is new or nothing came of it, an event that says why. */
function phase(
  claim: PersistentVolumeClaim,
  status: PersistentVolumeClaimStatus,
  reason?: string,
  message = '',
): Action[] {
  const isWarning = reason !== undefined && reason !== 'WaitForFirstConsumer' && reason !== 'FailedBinding'
  const why = reason ? [eventAction(referenceTo(claim), isWarning ? 'Warning' : 'Normal', reason, message)] : []
  if (sameJson({ ...claim.status, ...status }, claim.status)) return status.phase === 'Lost' ? [] : why
  return [
    mutateAction(claims, claim, (current) => ({ ...current, status: { ...current.status, ...status } }), 'status'),
    ...why,
  ]
}

function planVolume(name: string, view: View, nowMs: number, absence: Absence): Plan {
  const volume = view.get<PersistentVolume>(volumes, '', name)
  if (!volume?.spec) return nothing
  const { claimRef } = volume.spec
  if (!claimRef?.uid) return setPhase(volume, 'Available')
  const claim = view.get<PersistentVolumeClaim>(claims, claimRef.namespace ?? '', claimRef.name ?? '')
  if (claim?.metadata.uid === claimRef.uid)
    return claim.spec?.volumeName === name
      ? setPhase(volume, 'Bound')
      : setPhase(volume, volume.status?.phase ?? 'Available')
  if (volume.status?.phase === 'Released' || volume.status?.phase === 'Failed') return nothing
  // Data may be deleted on the strength of it: a claim that is only late is waited for.
  const leftMs = absence.leftMs(claimRef.uid, nowMs)
  return leftMs > 0 ? { actions: [], requeueAfterMs: leftMs } : setPhase(volume, 'Released')
}

function setPhase(volume: PersistentVolume, next: string): Plan {
  if (volume.status?.phase === next) return nothing
  const change = mutateAction(
    volumes,
    volume,
    (current) => ({ ...current, status: { ...current.status, phase: next } }),
    'status',
  )
  return { actions: [change] }
}
