import type { ReplicaSet, ReplicationController } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { formatLabels, formatLabelSelector, matchesLabelMap } from '../../lib/selector.ts'
import { ageColumn, count, nameColumn, templateColumns, wide } from '../columns.ts'
import { defaultPodTemplate } from '../core/pod/defaults.ts'
import { immutable, nonNegative } from '../meta/validate.ts'
import { traits } from '../traits.ts'
import { validatePodTemplate, validateWorkload } from './template.ts'

/** Counts that must fit together in a status. */
function validateStatus({ status = { replicas: 0 } }: ReplicaSet | ReplicationController): FieldError[] {
  const replicas = status.replicas ?? 0
  const wrong = nonNegative('status.replicas', replicas)
  for (const field of ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] as const) {
    const value = status[field] ?? 0
    wrong.push(...nonNegative(`status.${field}`, value))
    if (value > replicas)
      wrong.push(fieldErrors.invalid(`status.${field}`, value, 'cannot be greater than status.replicas'))
  }
  if ((status.availableReplicas ?? 0) > (status.readyReplicas ?? 0)) {
    wrong.push(
      fieldErrors.invalid('status.availableReplicas', status.availableReplicas, 'cannot be greater than readyReplicas'),
    )
  }
  return wrong
}

const replicaColumns = [
  nameColumn,
  count<ReplicaSet>('Desired', ({ spec }) => spec?.replicas),
  count<ReplicaSet>('Current', ({ status }) => status?.replicas),
  count<ReplicaSet>('Ready', ({ status }) => status?.readyReplicas),
  ageColumn,
  ...templateColumns<ReplicaSet>(({ spec }) => spec?.template?.spec?.containers),
]

export const replicaSetTraits = traits<ReplicaSet>({
  group: 'apps',
  resource: 'replicasets',
  shortNames: ['rs'],
  categories: ['all'],
  hasGeneration: true,
  columns: [...replicaColumns, wide<ReplicaSet>('Selector', ({ spec }) => formatLabelSelector(spec?.selector))],
  selectable: ({ status }) => ({ 'status.replicas': String(status?.replicas ?? 0) }),
  strategy: {
    applyDefaults({ spec }) {
      if (!spec) return
      spec.replicas ??= 1
      defaultPodTemplate(spec.template)
    },
    validate: ({ spec }) =>
      spec
        ? [
            ...nonNegative('spec.replicas', spec.replicas),
            ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
            ...validateWorkload(spec.selector, spec.template, 'ReplicaSet'),
          ]
        : [fieldErrors.required('spec')],
    validateUpdate: (set, old) => immutable('spec.selector', set.spec?.selector, old.spec?.selector),
  },
  subresourceStrategies: { status: { validate: validateStatus } },
})

function validateController({ spec }: ReplicationController): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const wrong = [
    ...nonNegative('spec.replicas', spec.replicas),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
  ]
  if (Object.keys(spec.selector ?? {}).length === 0) wrong.push(fieldErrors.required('spec.selector'))
  if (!spec.template) return [...wrong, fieldErrors.required('spec.template')]
  if (spec.selector && !matchesLabelMap(spec.selector, spec.template.metadata?.labels)) {
    wrong.push(
      fieldErrors.invalid(
        'spec.template.metadata.labels',
        spec.template.metadata?.labels ?? null,
        '`selector` does not match template `labels`',
      ),
    )
  }
  wrong.push(...validatePodTemplate(spec.template, 'spec.template'))
  const policy = spec.template.spec?.restartPolicy
  if (policy !== 'Always')
    wrong.push(fieldErrors.notSupported('spec.template.spec.restartPolicy', policy ?? '', ['Always']))
  return wrong
}

export const replicationControllerTraits = traits<ReplicationController>({
  group: '',
  resource: 'replicationcontrollers',
  shortNames: ['rc'],
  categories: ['all'],
  hasGeneration: true,
  columns: [...replicaColumns, wide<ReplicationController>('Selector', ({ spec }) => formatLabels(spec?.selector))],
  selectable: ({ status }) => ({ 'status.replicas': String(status?.replicas ?? 0) }),
  strategy: {
    applyDefaults({ metadata, spec }) {
      if (!spec) return
      const labels = spec.template?.metadata?.labels
      if (labels) {
        if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels }
        if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels }
      }
      spec.replicas ??= 1
      defaultPodTemplate(spec.template)
    },
    validate: validateController,
  },
  subresourceStrategies: { status: { validate: validateStatus } },
})
