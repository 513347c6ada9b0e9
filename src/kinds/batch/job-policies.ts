import type { JobSpec } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { oneOf } from '../meta/validate.ts'

const maxRules = 20
const maxExitCodes = 255

/** KEP-3329: what the failure of a pod means for its job. */
export function validateFailurePolicy(spec: JobSpec, path: string): FieldError[] {
  const rules = spec.podFailurePolicy?.rules ?? []
  const wrong: FieldError[] = []
  if (rules.length > maxRules) wrong.push(fieldErrors.tooMany(`${path}.rules`, rules.length, maxRules))
  const containers = new Set(
    [...(spec.template?.spec?.containers ?? []), ...(spec.template?.spec?.initContainers ?? [])].map(
      ({ name }) => name,
    ),
  )
  for (const [index, { action, onExitCodes, onPodConditions }] of rules.entries()) {
    const at = `${path}.rules[${index}]`
    wrong.push(...oneOf(`${at}.action`, action, ['Count', 'FailIndex', 'FailJob', 'Ignore']))
    if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined) {
      wrong.push(fieldErrors.invalid(`${at}.action`, action, 'requires the backoffLimitPerIndex to be set'))
    }
    if (onExitCodes && onPodConditions?.length) {
      wrong.push(fieldErrors.invalid(at, '', 'specifying both OnExitCodes and OnPodConditions is not supported'))
    } else if (!onExitCodes && !onPodConditions?.length) {
      wrong.push(fieldErrors.invalid(at, '', 'specifying one of OnExitCodes and OnPodConditions is required'))
    }
    if (onExitCodes) {
      const { operator, values = [], containerName } = onExitCodes
      const field = `${at}.onExitCodes`
      wrong.push(...oneOf(`${field}.operator`, operator, ['In', 'NotIn']))
      if (containerName && !containers.has(containerName)) {
        wrong.push(
          fieldErrors.invalid(
            `${field}.containerName`,
            containerName,
            'must be one of the container or initContainer names in the pod template',
          ),
        )
      }
      if (values.length === 0)
        wrong.push(fieldErrors.invalid(`${field}.values`, values, 'at least one value is required'))
      if (values.length > maxExitCodes) wrong.push(fieldErrors.tooMany(`${field}.values`, values.length, maxExitCodes))
      if (operator === 'In' && values.includes(0)) {
        wrong.push(fieldErrors.invalid(`${field}.values[${values.indexOf(0)}]`, 0, 'must not be 0 for the In operator'))
      }
      if (values.some((value, position) => position > 0 && value <= (values[position - 1] ?? 0))) {
        wrong.push(fieldErrors.invalid(`${field}.values`, values, 'must be ordered'))
      }
    }
    for (const [position, { type, status }] of (onPodConditions ?? []).entries()) {
      const field = `${at}.onPodConditions[${position}]`
      if (!type) wrong.push(fieldErrors.required(`${field}.type`))
      wrong.push(...oneOf(`${field}.status`, status, ['False', 'True', 'Unknown']))
    }
  }
  return wrong
}

/** KEP-3998: when an indexed job has done enough. */
export function validateSuccessPolicy(spec: JobSpec, path: string): FieldError[] {
  if (spec.completionMode !== 'Indexed') {
    return [fieldErrors.invalid(path, spec.successPolicy, 'requires indexed completion mode')]
  }
  const rules = spec.successPolicy?.rules ?? []
  if (rules.length === 0)
    return [
      fieldErrors.required(`${path}.rules`, 'at least one rules must be specified when the successPolicy is specified'),
    ]
  const wrong: FieldError[] = []
  if (rules.length > maxRules) wrong.push(fieldErrors.tooMany(`${path}.rules`, rules.length, maxRules))
  for (const [index, { succeededCount, succeededIndexes }] of rules.entries()) {
    const at = `${path}.rules[${index}]`
    if (succeededCount === undefined && succeededIndexes === undefined) {
      wrong.push(fieldErrors.required(at, 'at least one of succeededCount or succeededIndexes must be specified'))
    }
    if (succeededCount !== undefined) {
      if (succeededCount <= 0)
        wrong.push(fieldErrors.invalid(`${at}.succeededCount`, succeededCount, 'must be greater than 0'))
      const completions = spec.completions ?? 0
      if (succeededCount > completions) {
        wrong.push(
          fieldErrors.invalid(
            `${at}.succeededCount`,
            succeededCount,
            `must be less than or equal to ${completions} (the number of specified completions)`,
          ),
        )
      }
    }
    if (succeededIndexes !== undefined && !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(succeededIndexes)) {
      wrong.push(
        fieldErrors.invalid(
          `${at}.succeededIndexes`,
          succeededIndexes,
          'error parsing succeededIndexes: must be a list of indexes or ranges',
        ),
      )
    }
  }
  return wrong
}
