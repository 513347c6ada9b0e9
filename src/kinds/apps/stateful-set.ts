import type { StatefulSet, StatefulSetSpec } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { ageColumn, column, nameColumn, templateColumns } from '../columns.ts'
import { defaultPodTemplate } from '../core/pod/defaults.ts'
import { nonNegative, oneOf, sameValue } from '../meta/validate.ts'
import { traits } from '../traits.ts'
import { isZeroShare, notMoreThanAll, validateShare, validateWorkload } from './template.ts'

function validateStatefulSet({ spec }: StatefulSet): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const at = 'spec.updateStrategy'
  const rolling = spec.updateStrategy?.rollingUpdate
  const wrong = [
    ...oneOf('spec.podManagementPolicy', spec.podManagementPolicy, ['OrderedReady', 'Parallel']),
    ...oneOf(`${at}.type`, spec.updateStrategy?.type, ['OnDelete', 'RollingUpdate']),
    ...nonNegative('spec.replicas', spec.replicas),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...nonNegative('spec.ordinals.start', spec.ordinals?.start),
    ...validateWorkload(spec.selector, withClaims(spec), 'StatefulSet'),
  ]
  if (spec.updateStrategy?.type === 'OnDelete' && rolling) {
    wrong.push(fieldErrors.invalid(`${at}.rollingUpdate`, rolling, `only allowed for updateStrategy 'RollingUpdate'`))
  }
  if (rolling) {
    const path = `${at}.rollingUpdate`
    wrong.push(
      ...nonNegative(`${path}.partition`, rolling.partition),
      ...validateShare(rolling.maxUnavailable, `${path}.maxUnavailable`),
    )
    wrong.push(...notMoreThanAll(rolling.maxUnavailable, `${path}.maxUnavailable`))
    if (isZeroShare(rolling.maxUnavailable)) {
      wrong.push(fieldErrors.invalid(`${path}.maxUnavailable`, rolling.maxUnavailable, 'cannot be 0'))
    }
  }
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    wrong.push(
      ...oneOf(
        `spec.persistentVolumeClaimRetentionPolicy.${field}`,
        spec.persistentVolumeClaimRetentionPolicy?.[field],
        ['Delete', 'Retain'],
        false,
      ),
    )
  }
  return wrong
}

/** The template as pods will be made of it: claims are volumes, in the place of those with the same name. */
function withClaims({ template, volumeClaimTemplates = [] }: StatefulSetSpec): StatefulSetSpec['template'] {
  if (!template?.spec || volumeClaimTemplates.length === 0) return template
  const names = new Set(volumeClaimTemplates.map(({ metadata }) => metadata?.name ?? ''))
  const volumes = (template.spec.volumes ?? []).filter(({ name }) => !names.has(name))
  for (const name of names) volumes.push({ name, persistentVolumeClaim: { claimName: name } })
  return { ...template, spec: { ...template.spec, volumes } }
}

const mutable = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
]

function validateUpdate(set: StatefulSet, old: StatefulSet): FieldError[] {
  const frozen = (spec: object | undefined) =>
    Object.fromEntries(Object.entries(spec ?? {}).filter(([field]) => !mutable.includes(field)))
  return sameValue(frozen(set.spec), frozen(old.spec))
    ? []
    : [
        fieldErrors.forbidden(
          'spec',
          "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ),
      ]
}

export const statefulSetTraits = traits<StatefulSet>({
  group: 'apps',
  resource: 'statefulsets',
  shortNames: ['sts'],
  categories: ['all'],
  hasGeneration: true,
  columns: [
    nameColumn,
    column<StatefulSet>('Ready', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`, {
      description: 'Pods that are ready, of those that are wanted.',
    }),
    ageColumn,
    ...templateColumns<StatefulSet>(({ spec }) => spec?.template?.spec?.containers),
  ],
  strategy: {
    applyDefaults({ spec }) {
      if (!spec) return
      spec.podManagementPolicy ||= 'OrderedReady'
      spec.updateStrategy ??= {}
      spec.updateStrategy.type ||= 'RollingUpdate'
      if (spec.updateStrategy.type === 'RollingUpdate') {
        spec.updateStrategy.rollingUpdate ??= {}
        spec.updateStrategy.rollingUpdate.partition ??= 0
      }
      spec.persistentVolumeClaimRetentionPolicy ??= {}
      spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain'
      spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain'
      spec.replicas ??= 1
      spec.revisionHistoryLimit ??= 10
      for (const claim of spec.volumeClaimTemplates ?? []) {
        claim.apiVersion ||= 'v1'
        claim.kind ||= 'PersistentVolumeClaim'
        if (claim.spec) claim.spec.volumeMode ||= 'Filesystem'
        claim.status ??= { phase: 'Pending' }
      }
      defaultPodTemplate(spec.template)
    },
    validate: validateStatefulSet,
    validateUpdate,
  },
})
