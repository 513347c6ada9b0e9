import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { compareQuantity, parseQuantity, quantityError } from '../../lib/quantity.ts'
import { ageColumn, column, nameColumn, wide } from '../columns.ts'
import { dns1123Subdomain } from '../meta/names.ts'
import { immutable, invalidEach, oneOf, sameValue, validateLabelSelector } from '../meta/validate.ts'
import { traits } from '../traits.ts'

const classAnnotation = 'volume.beta.kubernetes.io/storage-class'
const modes: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
}

/** Abbreviated, in the order in which upstream lists them. */
const modesText = (accessModes: readonly string[] | undefined) =>
  Object.keys(modes)
    .filter((mode) => accessModes?.includes(mode))
    .map((mode) => modes[mode])
    .join(',')

function validateModes(accessModes: readonly string[] | undefined, path: string): FieldError[] {
  if (!accessModes?.length) return [fieldErrors.required(path, 'at least 1 access mode is required')]
  const wrong = accessModes.flatMap((mode) => oneOf(path, mode, Object.keys(modes)))
  if (accessModes.includes('ReadWriteOncePod') && accessModes.length > 1) {
    wrong.push(fieldErrors.forbidden(path, 'may not use ReadWriteOncePod with other access modes'))
  }
  return wrong
}

function validateSize(storage: string | undefined, path: string): FieldError[] {
  if (storage === undefined) return [fieldErrors.required(path)]
  const problem = quantityError(storage)
  if (problem) return [fieldErrors.invalid(path, storage, problem)]
  return parseQuantity(storage).nano <= 0n ? [fieldErrors.invalid(path, storage, 'must be greater than zero')] : []
}

/** Fields of a volume's spec that are not where its data is. */
const commonFields = [
  'accessModes',
  'capacity',
  'claimRef',
  'mountOptions',
  'nodeAffinity',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'volumeAttributesClassName',
  'volumeMode',
]
const sourcesOf = (spec: PersistentVolumeSpec) =>
  Object.entries(spec).filter(([field, value]) => !commonFields.includes(field) && value !== undefined)

function validateVolume({ spec }: PersistentVolume): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const wrong = [
    ...validateModes(spec.accessModes, 'spec.accessModes'),
    ...validateSize(spec.capacity?.['storage'], 'spec.capacity[storage]'),
    ...oneOf(
      'spec.persistentVolumeReclaimPolicy',
      spec.persistentVolumeReclaimPolicy,
      ['Delete', 'Recycle', 'Retain'],
      false,
    ),
    ...oneOf('spec.volumeMode', spec.volumeMode, ['Block', 'Filesystem'], false),
  ]
  for (const name of Object.keys(spec.capacity ?? {})) {
    if (name !== 'storage') wrong.push(fieldErrors.notSupported('spec.capacity', name, ['storage']))
  }
  const sources = sourcesOf(spec)
  if (sources.length === 0) wrong.push(fieldErrors.required('spec', 'must specify a volume type'))
  for (const [source] of sources.slice(1)) {
    wrong.push(fieldErrors.forbidden(`spec.${source}`, 'may not specify more than 1 volume type'))
  }
  if (spec.hostPath?.path?.split('/').includes('..')) {
    wrong.push(fieldErrors.invalid('spec.hostPath.path', spec.hostPath.path, "must not contain '..'"))
  }
  if (spec.hostPath?.path === '/' && spec.persistentVolumeReclaimPolicy === 'Recycle') {
    wrong.push(
      fieldErrors.forbidden('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'"),
    )
  }
  if (spec.local) {
    if (!spec.local.path) wrong.push(fieldErrors.required('spec.local.path'))
    if (!spec.nodeAffinity?.required)
      wrong.push(fieldErrors.required('spec.nodeAffinity', 'Local volume requires node affinity'))
  }
  if (spec.csi) {
    if (!spec.csi.driver) wrong.push(fieldErrors.required('spec.csi.driver'))
    if (!spec.csi.volumeHandle) wrong.push(fieldErrors.required('spec.csi.volumeHandle'))
  }
  if (spec.storageClassName) {
    wrong.push(...invalidEach('spec.storageClassName', spec.storageClassName, dns1123Subdomain(spec.storageClassName)))
  }
  return wrong
}

const sourceMessage = 'spec.persistentvolumesource is immutable after creation'

function validateVolumeUpdate({ spec: next }: PersistentVolume, { spec: before }: PersistentVolume): FieldError[] {
  if (!next || !before) return []
  const wrong = immutable('spec.volumeMode', next.volumeMode, before.volumeMode)
  if (!sameValue(Object.fromEntries(sourcesOf(next)), Object.fromEntries(sourcesOf(before)))) {
    wrong.push(fieldErrors.forbidden('spec.persistentvolumesource', sourceMessage))
  }
  if (before.nodeAffinity) wrong.push(...immutable('spec.nodeAffinity', next.nodeAffinity, before.nodeAffinity))
  return wrong
}

export const volumeTraits = traits<PersistentVolume>({
  group: '',
  resource: 'persistentvolumes',
  shortNames: ['pv'],
  columns: [
    nameColumn,
    column<PersistentVolume>('Capacity', ({ spec }) => spec?.capacity?.['storage'] ?? ''),
    column<PersistentVolume>('Access Modes', ({ spec }) => modesText(spec?.accessModes)),
    column<PersistentVolume>('Reclaim Policy', ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? ''),
    column<PersistentVolume>('Status', ({ metadata, status }) =>
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    column<PersistentVolume>('Claim', ({ spec }) =>
      spec?.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : '',
    ),
    column<PersistentVolume>(
      'StorageClass',
      ({ metadata, spec }) => metadata.annotations?.[classAnnotation] ?? spec?.storageClassName ?? '',
    ),
    column<PersistentVolume>('VolumeAttributesClass', ({ spec }) => spec?.volumeAttributesClassName || '<unset>'),
    column<PersistentVolume>('Reason', ({ status }) => status?.reason ?? ''),
    ageColumn,
    wide<PersistentVolume>('VolumeMode', ({ spec }) => spec?.volumeMode ?? '<unset>'),
  ],
  strategy: {
    prepareForCreate(volume) {
      volume.status = { phase: 'Pending' }
    },
    applyDefaults(volume) {
      if (!volume.spec) return
      volume.spec.persistentVolumeReclaimPolicy ||= 'Retain'
      volume.spec.volumeMode ||= 'Filesystem'
      if (volume.spec.hostPath) volume.spec.hostPath.type ??= ''
      if (volume.spec.iscsi) volume.spec.iscsi.iscsiInterface ||= 'default'
      volume.status ??= {}
      volume.status.phase ||= 'Pending'
    },
    validate: validateVolume,
    validateUpdate: validateVolumeUpdate,
  },
})

function validateClaim({ spec }: PersistentVolumeClaim): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const wrong = [
    ...validateModes(spec.accessModes, 'spec.accessModes'),
    ...validateSize(spec.resources?.requests?.['storage'], 'spec.resources[storage]'),
    ...oneOf('spec.volumeMode', spec.volumeMode, ['Block', 'Filesystem'], false),
    ...validateLabelSelector(spec.selector, 'spec.selector'),
  ]
  if (spec.storageClassName) {
    wrong.push(...invalidEach('spec.storageClassName', spec.storageClassName, dns1123Subdomain(spec.storageClassName)))
  }
  if (spec.dataSource && (!spec.dataSource.kind || !spec.dataSource.name)) {
    wrong.push(fieldErrors.required(`spec.dataSource.${spec.dataSource.kind ? 'name' : 'kind'}`))
  }
  return wrong
}

const claimMessage =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims'

function validateClaimUpdate(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const next = claim.spec
  const before = old.spec
  if (!next || !before) return []
  const open: Record<string, undefined> = { resources: undefined, volumeAttributesClassName: undefined }
  // The binder writes the volume's name, once; a class can be given to a claim that has none (KEP-3333).
  if (!before.volumeName) open['volumeName'] = undefined
  if (before.storageClassName === undefined && !before.volumeName) open['storageClassName'] = undefined
  const wrong: FieldError[] = []
  if (!sameValue({ ...next, ...open }, { ...before, ...open })) wrong.push(fieldErrors.forbidden('spec', claimMessage))
  const size = next.resources?.requests?.['storage']
  const oldSize = before.resources?.requests?.['storage']
  if (size === undefined || oldSize === undefined || quantityError(size)) return wrong
  const order = compareQuantity(parseQuantity(size), parseQuantity(oldSize))
  if (order !== 0 && old.status?.phase !== 'Bound') wrong.push(fieldErrors.forbidden('spec', claimMessage))
  const real = old.status?.capacity?.['storage']
  // After a failed expansion one may ask for less again, never for less than there is (KEP-1790).
  if (order < 0 && (real === undefined || compareQuantity(parseQuantity(size), parseQuantity(real)) <= 0)) {
    wrong.push(fieldErrors.forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'))
  }
  return wrong
}

const isBound = ({ spec }: PersistentVolumeClaim) => Boolean(spec?.volumeName)

export const volumeClaimTraits = traits<PersistentVolumeClaim>({
  group: '',
  resource: 'persistentvolumeclaims',
  shortNames: ['pvc'],
  columns: [
    nameColumn,
    column<PersistentVolumeClaim>('Status', ({ metadata, status }) =>
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    column<PersistentVolumeClaim>('Volume', ({ spec }) => spec?.volumeName ?? ''),
    column<PersistentVolumeClaim>('Capacity', (claim) =>
      isBound(claim) ? (claim.status?.capacity?.['storage'] ?? '') : '',
    ),
    column<PersistentVolumeClaim>('Access Modes', (claim) =>
      isBound(claim) ? modesText(claim.status?.accessModes) : '',
    ),
    column<PersistentVolumeClaim>(
      'StorageClass',
      ({ metadata, spec }) => metadata.annotations?.[classAnnotation] ?? spec?.storageClassName ?? '',
    ),
    column<PersistentVolumeClaim>('VolumeAttributesClass', ({ spec }) => spec?.volumeAttributesClassName || '<unset>'),
    ageColumn,
    wide<PersistentVolumeClaim>('VolumeMode', ({ spec }) => spec?.volumeMode ?? '<unset>'),
  ],
  strategy: {
    prepareForCreate(claim) {
      claim.status = { phase: 'Pending' }
    },
    applyDefaults(claim) {
      if (claim.spec) claim.spec.volumeMode ||= 'Filesystem'
      claim.status ??= {}
      claim.status.phase ||= 'Pending'
    },
    validate: validateClaim,
    validateUpdate: validateClaimUpdate,
  },
})
