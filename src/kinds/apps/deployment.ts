import type { Deployment } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { formatLabelSelector } from '../../lib/selector.ts'
import { ageColumn, column, nameColumn, templateColumns, wide } from '../columns.ts'
import { defaultPodTemplate } from '../core/pod/defaults.ts'
import { immutable, nonNegative, oneOf } from '../meta/validate.ts'
import { traits } from '../traits.ts'
import { isZeroShare, notMoreThanAll, validateShare, validateWorkload } from './template.ts'

function validateDeployment({ spec }: Deployment): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const wrong = [
    ...nonNegative('spec.replicas', spec.replicas),
    ...validateWorkload(spec.selector, spec.template, 'Deployment'),
    ...validateStrategy(spec.strategy),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
    ...nonNegative('spec.progressDeadlineSeconds', spec.progressDeadlineSeconds),
  ]
  if (spec.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds <= (spec.minReadySeconds ?? 0)) {
    wrong.push(
      fieldErrors.invalid(
        'spec.progressDeadlineSeconds',
        spec.progressDeadlineSeconds,
        'must be greater than minReadySeconds',
      ),
    )
  }
  return wrong
}

type DeploymentStrategy = NonNullable<NonNullable<Deployment['spec']>['strategy']>

function validateStrategy(strategy: DeploymentStrategy | undefined): FieldError[] {
  const at = 'spec.strategy'
  const wrong = oneOf(`${at}.type`, strategy?.type, ['Recreate', 'RollingUpdate'])
  const rolling = strategy?.rollingUpdate
  if (strategy?.type === 'Recreate' && rolling) {
    wrong.push(fieldErrors.forbidden(`${at}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'"))
  }
  if (strategy?.type !== 'RollingUpdate') return wrong
  if (!rolling)
    return [...wrong, fieldErrors.required(`${at}.rollingUpdate`, 'this should be defaulted and never be nil')]
  const { maxUnavailable, maxSurge } = rolling
  wrong.push(
    ...validateShare(maxUnavailable, `${at}.rollingUpdate.maxUnavailable`),
    ...validateShare(maxSurge, `${at}.rollingUpdate.maxSurge`),
    ...notMoreThanAll(maxUnavailable, `${at}.rollingUpdate.maxUnavailable`),
  )
  if (isZeroShare(maxUnavailable) && isZeroShare(maxSurge)) {
    wrong.push(
      fieldErrors.invalid(`${at}.rollingUpdate.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'),
    )
  }
  return wrong
}

export const deploymentTraits = traits<Deployment>({
  group: 'apps',
  resource: 'deployments',
  shortNames: ['deploy'],
  categories: ['all'],
  hasGeneration: true,
  columns: [
    nameColumn,
    column<Deployment>('Ready', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`, {
      description: 'Pods that are ready, of those that are wanted.',
    }),
    column<Deployment>('Up-to-date', ({ status }) => status?.updatedReplicas ?? 0, {
      description: 'Pods of the newest template.',
    }),
    column<Deployment>('Available', ({ status }) => status?.availableReplicas ?? 0, {
      description: 'Pods that have been ready for long enough.',
    }),
    ageColumn,
    ...templateColumns<Deployment>(({ spec }) => spec?.template?.spec?.containers),
    wide<Deployment>('Selector', ({ spec }) => formatLabelSelector(spec?.selector)),
  ],
  strategy: {
    applyDefaults({ spec }) {
      if (!spec) return
      spec.replicas ??= 1
      spec.strategy ??= {}
      spec.strategy.type ||= 'RollingUpdate'
      if (spec.strategy.type === 'RollingUpdate') {
        spec.strategy.rollingUpdate ??= {}
        spec.strategy.rollingUpdate.maxUnavailable ??= '25%'
        spec.strategy.rollingUpdate.maxSurge ??= '25%'
      }
      spec.revisionHistoryLimit ??= 10
      spec.progressDeadlineSeconds ??= 600
      defaultPodTemplate(spec.template)
    },
    validate: validateDeployment,
    validateUpdate: (deployment, old) => immutable('spec.selector', deployment.spec?.selector, old.spec?.selector),
  },
  subresourceStrategies: {
    status: {
      prepareForUpdate(deployment, old) {
        deployment.metadata.labels = structuredClone(old.metadata.labels)
        if (deployment.metadata.labels === undefined) delete deployment.metadata.labels
      },
    },
  },
})
