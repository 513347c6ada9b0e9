import type { ControllerRevision, PodTemplate, PriorityClass, RuntimeClass, ComponentStatus } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { formatLabels } from '../../lib/selector.ts'
import { validatePodTemplate } from '../apps/template.ts'
import { ageColumn, column, count, nameColumn, templateColumns } from '../columns.ts'
import { defaultPodTemplate } from '../core/pod/defaults.ts'
import { dns1123Label } from '../meta/names.ts'
import { immutable, invalidEach, oneOf } from '../meta/validate.ts'
import { traits } from '../traits.ts'

/** Above this only Kubernetes' own classes rank. */
const highestUserPriority = 1_000_000_000
const systemPrefix = 'system-'
const systemClasses: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
}

function validatePriorityClass({ metadata, value, preemptionPolicy }: PriorityClass): FieldError[] {
  const name = metadata.name ?? ''
  const wrong = oneOf('preemptionPolicy', preemptionPolicy, ['Never', 'PreemptLowerPriority'], false)
  if (name.startsWith(systemPrefix)) {
    if (systemClasses[name] !== value) {
      wrong.push(
        fieldErrors.forbidden(
          'metadata.name',
          `priority class names with '${systemPrefix}' prefix are reserved for system use only. error: ${name} is not a known system priority class`,
        ),
      )
    }
  } else if ((value ?? 0) > highestUserPriority) {
    wrong.push(
      fieldErrors.forbidden('value', `maximum allowed value of a user defined priority is ${highestUserPriority}`),
    )
  }
  return wrong
}

export const priorityClassTraits = traits<PriorityClass>({
  group: 'scheduling.k8s.io',
  resource: 'priorityclasses',
  shortNames: ['pc'],
  columns: [
    nameColumn,
    count<PriorityClass>('Value', ({ value }) => value),
    column<PriorityClass>('Global-Default', ({ globalDefault }) => globalDefault ?? false, { type: 'boolean' }),
    ageColumn,
    column<PriorityClass>('PreemptionPolicy', ({ preemptionPolicy }) => preemptionPolicy ?? ''),
  ],
  strategy: {
    applyDefaults(priority) {
      priority.preemptionPolicy ||= 'PreemptLowerPriority'
    },
    validate: validatePriorityClass,
    validateUpdate: (next, old) => [
      ...(next.value === old.value ? [] : [fieldErrors.forbidden('value', 'may not be changed in an update.')]),
      ...immutable('preemptionPolicy', next.preemptionPolicy, old.preemptionPolicy),
    ],
  },
})

export const runtimeClassTraits = traits<RuntimeClass>({
  group: 'node.k8s.io',
  resource: 'runtimeclasses',
  columns: [nameColumn, column<RuntimeClass>('Handler', ({ handler }) => handler), ageColumn],
  strategy: {
    validate: ({ handler }) => invalidEach('handler', handler ?? '', dns1123Label(handler ?? '')),
    validateUpdate: (next, old) => immutable('handler', next.handler, old.handler),
  },
})

function controllerOf({ metadata }: ControllerRevision): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller)
  if (!owner) return '<none>'
  const [group = ''] = owner.apiVersion.includes('/') ? owner.apiVersion.split('/') : ['']
  const kind = owner.kind.toLowerCase()
  return `${group ? `${kind}.${group}` : kind}/${owner.name}`
}

export const controllerRevisionTraits = traits<ControllerRevision>({
  group: 'apps',
  resource: 'controllerrevisions',
  columns: [
    nameColumn,
    column<ControllerRevision>('Controller', controllerOf),
    count<ControllerRevision>('Revision', ({ revision }) => revision),
    ageColumn,
  ],
  strategy: {
    validate({ revision, data }) {
      const wrong: FieldError[] = []
      if ((revision ?? 0) < 0)
        wrong.push(fieldErrors.invalid('revision', revision, 'must be greater than or equal to 0'))
      if (data === undefined || data === null) wrong.push(fieldErrors.required('data', 'data is mandatory'))
      return wrong
    },
    validateUpdate: (next, old) => immutable('data', next.data, old.data),
  },
})

export const podTemplateTraits = traits<PodTemplate>({
  group: '',
  resource: 'podtemplates',
  hasGeneration: true,
  columns: [
    nameColumn,
    ...templateColumns<PodTemplate>(({ template }) => template?.spec?.containers).map((one) => ({
      ...one,
      priority: 0,
    })),
    column<PodTemplate>('Pod Labels', ({ template }) => formatLabels(template?.metadata?.labels)),
  ],
  strategy: {
    applyDefaults: ({ template }) => defaultPodTemplate(template),
    validate: ({ template }) => validatePodTemplate(template, 'template'),
  },
})

export const componentStatusTraits = traits<ComponentStatus>({
  group: '',
  resource: 'componentstatuses',
  shortNames: ['cs'],
  columns: [
    nameColumn,
    column<ComponentStatus>('Status', ({ conditions }) => {
      const healthy = conditions?.find(({ type }) => type === 'Healthy')?.status
      return healthy === 'True' ? 'Healthy' : healthy === 'False' ? 'Unhealthy' : 'Unknown'
    }),
    column<ComponentStatus>('Message', ({ conditions }) => conditions?.[0]?.message ?? ''),
    column<ComponentStatus>('Error', ({ conditions }) => conditions?.[0]?.error ?? ''),
  ],
})
