import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { ageColumn, column, count, nameColumn } from '../columns.ts'
import { qualifiedName } from '../meta/names.ts'
import { immutable, invalidEach, oneOf } from '../meta/validate.ts'
import { traits } from '../traits.ts'

const defaultAnnotations = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
]
const isDefault = ({ metadata }: StorageClass) =>
  defaultAnnotations.some((key) => metadata.annotations?.[key] === 'true')

function validateProvisioner(name: string | undefined, path: string): FieldError[] {
  return name ? invalidEach(path, name, qualifiedName(name.toLowerCase())) : [fieldErrors.required(path)]
}

export const storageClassTraits = traits<StorageClass>({
  group: 'storage.k8s.io',
  resource: 'storageclasses',
  shortNames: ['sc'],
  columns: [
    {
      ...nameColumn,
      cell: (object) => `${object.metadata.name}${isDefault(object as StorageClass) ? ' (default)' : ''}`,
    },
    column<StorageClass>('Provisioner', ({ provisioner }) => provisioner),
    column<StorageClass>('ReclaimPolicy', ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete'),
    column<StorageClass>('VolumeBindingMode', ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate'),
    column<StorageClass>('AllowVolumeExpansion', ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false, {
      type: 'boolean',
    }),
    ageColumn,
  ],
  strategy: {
    applyDefaults(storage) {
      storage.reclaimPolicy ||= 'Delete'
      storage.volumeBindingMode ||= 'Immediate'
    },
    validate: ({ provisioner, reclaimPolicy, volumeBindingMode }) => [
      ...validateProvisioner(provisioner, 'provisioner'),
      ...oneOf('reclaimPolicy', reclaimPolicy, ['Delete', 'Retain'], false),
      ...oneOf('volumeBindingMode', volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']),
    ],
    validateUpdate(next, old) {
      const wrong: FieldError[] = []
      for (const field of ['parameters', 'provisioner', 'reclaimPolicy'] as const) {
        if (immutable(field, next[field], old[field]).length === 0) continue
        wrong.push(fieldErrors.forbidden(field, `updates to ${field} are forbidden.`))
      }
      return [...wrong, ...immutable('volumeBindingMode', next.volumeBindingMode, old.volumeBindingMode)]
    },
  },
})

export const volumeAttributesClassTraits = traits<VolumeAttributesClass>({
  group: 'storage.k8s.io',
  resource: 'volumeattributesclasses',
  shortNames: ['vac'],
  columns: [nameColumn, column<VolumeAttributesClass>('DriverName', ({ driverName }) => driverName), ageColumn],
  strategy: {
    validate: ({ driverName, parameters }) => [
      ...validateProvisioner(driverName, 'driverName'),
      ...(Object.keys(parameters ?? {}).length > 0
        ? []
        : [fieldErrors.required('parameters', 'must contain at least one key/value pair')]),
    ],
    validateUpdate: (next, old) => [
      ...immutable('driverName', next.driverName, old.driverName),
      ...immutable('parameters', next.parameters, old.parameters),
    ],
  },
})

export const volumeAttachmentTraits = traits<VolumeAttachment>({
  group: 'storage.k8s.io',
  resource: 'volumeattachments',
  columns: [
    nameColumn,
    column<VolumeAttachment>('Attacher', ({ spec }) => spec?.attacher ?? ''),
    column<VolumeAttachment>('PV', ({ spec }) => spec?.source?.persistentVolumeName ?? ''),
    column<VolumeAttachment>('Node', ({ spec }) => spec?.nodeName ?? ''),
    column<VolumeAttachment>('Attached', ({ status }) => status?.attached ?? false, { type: 'boolean' }),
    ageColumn,
  ],
  strategy: {
    prepareForCreate(attachment) {
      attachment.status = { attached: false }
    },
    validate: ({ spec }) => [
      ...validateProvisioner(spec?.attacher, 'spec.attacher'),
      ...(spec?.nodeName ? [] : [fieldErrors.required('spec.nodeName')]),
      ...(spec?.source?.persistentVolumeName || spec?.source?.inlineVolumeSpec
        ? []
        : [
            fieldErrors.required(
              'spec.source',
              'must specify exactly one of inlineVolumeSpec and persistentVolumeName',
            ),
          ]),
    ],
    validateUpdate: ({ spec }, old) => immutable('spec', spec, old.spec),
  },
})

export const csiDriverTraits = traits<CSIDriver>({
  group: 'storage.k8s.io',
  resource: 'csidrivers',
  columns: [
    nameColumn,
    column<CSIDriver>('AttachRequired', ({ spec }) => spec?.attachRequired ?? true, { type: 'boolean' }),
    column<CSIDriver>('PodInfoOnMount', ({ spec }) => spec?.podInfoOnMount ?? false, { type: 'boolean' }),
    column<CSIDriver>('StorageCapacity', ({ spec }) => spec?.storageCapacity ?? false, { type: 'boolean' }),
    column<CSIDriver>(
      'TokenRequests',
      ({ spec }) => (spec?.tokenRequests ?? []).map(({ audience }) => audience).join(',') || '<unset>',
    ),
    column<CSIDriver>('RequiresRepublish', ({ spec }) => spec?.requiresRepublish ?? false, { type: 'boolean' }),
    column<CSIDriver>('Modes', ({ spec }) => (spec?.volumeLifecycleModes ?? []).join(',') || '<none>'),
    ageColumn,
  ],
  strategy: {
    applyDefaults(driver) {
      const spec = (driver.spec ??= {})
      spec.attachRequired ??= true
      spec.podInfoOnMount ??= false
      spec.storageCapacity ??= false
      spec.fsGroupPolicy ||= 'ReadWriteOnceWithFSType'
      spec.requiresRepublish ??= false
      spec.seLinuxMount ??= false
      if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent']
    },
    validate: ({ spec = {} }) => [
      ...oneOf('spec.fsGroupPolicy', spec.fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType'], false),
      ...(spec.volumeLifecycleModes ?? []).flatMap((mode, index) =>
        oneOf(`spec.volumeLifecycleModes[${index}]`, mode, ['Ephemeral', 'Persistent']),
      ),
    ],
    validateUpdate: ({ spec }, old) => [
      ...immutable('spec.attachRequired', spec?.attachRequired, old.spec?.attachRequired),
      ...immutable('spec.volumeLifecycleModes', spec?.volumeLifecycleModes, old.spec?.volumeLifecycleModes),
    ],
  },
})

export const csiNodeTraits = traits<CSINode>({
  group: 'storage.k8s.io',
  resource: 'csinodes',
  columns: [nameColumn, count<CSINode>('Drivers', ({ spec }) => spec?.drivers?.length), ageColumn],
  strategy: {
    validate: ({ spec }) =>
      (spec?.drivers ?? []).flatMap(({ name, nodeID }, index) => [
        ...validateProvisioner(name, `spec.drivers[${index}].name`),
        ...(nodeID ? [] : [fieldErrors.required(`spec.drivers[${index}].nodeID`)]),
      ]),
  },
})

export const csiStorageCapacityTraits = traits<CSIStorageCapacity>({
  group: 'storage.k8s.io',
  resource: 'csistoragecapacities',
  columns: [
    nameColumn,
    column<CSIStorageCapacity>('StorageClassName', ({ storageClassName }) => storageClassName),
    column<CSIStorageCapacity>('Capacity', ({ capacity }) => String(capacity ?? '<unset>')),
  ],
  strategy: {
    validate: ({ storageClassName }) => (storageClassName ? [] : [fieldErrors.required('storageClassName')]),
    validateUpdate: (next, old) => [
      ...immutable('nodeTopology', next.nodeTopology, old.nodeTopology),
      ...immutable('storageClassName', next.storageClassName, old.storageClassName),
    ],
  },
})
