import type { LabelSelector, PodTemplateSpec } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { isPercent } from '../meta/names.ts'
import { matchesLabelSelector } from '../../lib/selector.ts'
import { nonNegative, validateAnnotations, validateLabels, validateLabelSelector } from '../meta/validate.ts'
import { validatePodSpec } from '../core/pod/validate-spec.ts'

/** A pod template: labels, annotations and the spec of the pods to be. */
export function validatePodTemplate(template: PodTemplateSpec | undefined, path: string): FieldError[] {
  return [
    ...validateLabels(template?.metadata?.labels, `${path}.labels`),
    ...validateAnnotations(template?.metadata?.annotations, `${path}.annotations`),
    ...validatePodSpec(template?.spec, `${path}.spec`),
  ]
}

/** Selector and template of a workload that keeps its pods running: they must belong together. */
export function validateWorkload(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  kind: 'ReplicaSet' | 'StatefulSet' | 'DaemonSet' | 'Deployment',
): FieldError[] {
  const wrong: FieldError[] = []
  if (!selector) wrong.push(fieldErrors.required('spec.selector'))
  else {
    wrong.push(...validateLabelSelector(selector, 'spec.selector'))
    if (!selector.matchLabels && !selector.matchExpressions?.length) {
      wrong.push(fieldErrors.invalid('spec.selector', selector, `empty selector is invalid for ${kind.toLowerCase()}`))
    }
  }
  if (!template) return [...wrong, fieldErrors.required('spec.template')]
  if (selector && wrong.length === 0 && !matchesLabelSelector(selector, template.metadata?.labels)) {
    wrong.push(
      fieldErrors.invalid(
        'spec.template.metadata.labels',
        template.metadata?.labels ?? null,
        '`selector` does not match template `labels`',
      ),
    )
  }
  wrong.push(...validatePodTemplate(template, 'spec.template'))
  const policy = template.spec?.restartPolicy
  if (policy && policy !== 'Always') {
    wrong.push(fieldErrors.notSupported('spec.template.spec.restartPolicy', policy, ['Always']))
  }
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    wrong.push(
      fieldErrors.forbidden(
        'spec.template.spec.activeDeadlineSeconds',
        `activeDeadlineSeconds in ${kind} is not Supported`,
      ),
    )
  }
  return wrong
}

/** A number of pods or a share of them, in percent. */
export function validateShare(value: number | string | undefined, path: string): FieldError[] {
  if (value === undefined) return []
  if (typeof value === 'number') return nonNegative(path, value)
  if (!isPercent(value)) {
    return [
      fieldErrors.invalid(
        path,
        value,
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
      ),
    ]
  }
  return []
}

/** A share that cannot be more than all. */
export const notMoreThanAll = (value: number | string | undefined, path: string): FieldError[] =>
  typeof value === 'string' && isPercent(value) && Number.parseInt(value, 10) > 100
    ? [fieldErrors.invalid(path, value, 'must not be greater than 100%')]
    : []

/** Whether it amounts to no pod at all. */
export const isZeroShare = (value: number | string | undefined) =>
  value === 0 || (typeof value === 'string' && isPercent(value) && Number.parseInt(value, 10) === 0)
