import type {
  Affinity,
  NodeSelectorTerm,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from '../../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../../api/status-error.ts'
import { dns1123Label, labelValue, qualifiedName } from '../../meta/names.ts'
import { invalidEach, oneOf, validateLabelSelector } from '../../meta/validate.ts'

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

export function validateTolerations(tolerations: readonly Toleration[] | undefined, path: string): FieldError[] {
  const wrong: FieldError[] = []
  for (const [index, { key, operator, value, effect, tolerationSeconds }] of (tolerations ?? []).entries()) {
    const at = `${path}[${index}]`
    if (key) wrong.push(...invalidEach(`${at}.key`, key, qualifiedName(key)))
    else if (operator !== 'Exists') {
      wrong.push(
        fieldErrors.invalid(
          `${at}.operator`,
          operator ?? '',
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      )
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      wrong.push(
        fieldErrors.invalid(`${at}.effect`, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set"),
      )
    }
    switch (operator) {
      case undefined:
      case '':
      case 'Equal':
        wrong.push(...invalidEach(`${at}.operator`, value ?? '', labelValue(value ?? '')))
        break
      case 'Exists':
        if (value)
          wrong.push(fieldErrors.invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"))
        break
      case 'Lt':
      case 'Gt':
        if (!/^(0|-?[1-9]\d{0,18})$/.test(value ?? '')) {
          wrong.push(
            fieldErrors.invalid(
              `${at}.value`,
              value ?? '',
              'value must be a valid integer when `operator` is Lt or Gt',
            ),
          )
        }
        break
      default:
        wrong.push(fieldErrors.notSupported(`${at}.operator`, operator, ['Equal', 'Exists']))
    }
    if (effect) wrong.push(...oneOf(`${at}.effect`, effect, effects))
  }
  return wrong
}

export function validateAffinity(affinity: Affinity | undefined, path: string): FieldError[] {
  if (!affinity) return []
  const wrong: FieldError[] = []
  const { nodeAffinity } = affinity
  const required = nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  const nodePath = `${path}.nodeAffinity`
  if (required) {
    const at = `${nodePath}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`
    if (!required.nodeSelectorTerms?.length) {
      wrong.push(fieldErrors.required(at, 'must have at least one node selector term'))
    }
    for (const [index, term] of (required.nodeSelectorTerms ?? []).entries()) {
      wrong.push(...validateNodeSelectorTerm(term, `${at}[${index}]`))
    }
  }
  for (const [index, term] of (nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    const at = `${nodePath}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`
    wrong.push(
      ...validateWeight(term.weight, `${at}.weight`),
      ...validateNodeSelectorTerm(term.preference ?? {}, `${at}.preference`),
    )
  }
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    const terms = affinity[kind]
    for (const [index, term] of (terms?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      wrong.push(...validatePodTerm(term, `${path}.${kind}.requiredDuringSchedulingIgnoredDuringExecution[${index}]`))
    }
    for (const [index, weighted] of (terms?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      const at = `${path}.${kind}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`
      wrong.push(
        ...validateWeight(weighted.weight, `${at}.weight`),
        ...validatePodTerm(weighted.podAffinityTerm, `${at}.podAffinityTerm`),
      )
    }
  }
  return wrong
}

const validateWeight = (weight: number, path: string): FieldError[] =>
  weight >= 1 && weight <= 100 ? [] : [fieldErrors.invalid(path, weight ?? 0, 'must be in the range 1-100')]

/** One alternative of a node selector: also of volumes and storage. */
export function validateNodeSelectorTerm(term: NodeSelectorTerm, path: string): FieldError[] {
  const wrong: FieldError[] = []
  for (const [index, { key, operator, values }] of (term.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${index}]`
    const size = values?.length ?? 0
    if ((operator === 'In' || operator === 'NotIn') && size === 0) {
      wrong.push(fieldErrors.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
    } else if ((operator === 'Exists' || operator === 'DoesNotExist') && size > 0) {
      wrong.push(
        fieldErrors.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      )
    } else if ((operator === 'Gt' || operator === 'Lt') && size !== 1) {
      wrong.push(fieldErrors.required(`${at}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
    } else if (!['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'].includes(operator)) {
      wrong.push(fieldErrors.invalid(`${at}.operator`, operator ?? '', 'not a valid selector operator'))
    }
    wrong.push(...invalidEach(`${at}.key`, key, qualifiedName(key)))
  }
  for (const [index, { key, operator, values }] of (term.matchFields ?? []).entries()) {
    const at = `${path}.matchFields[${index}]`
    if (operator !== 'In' && operator !== 'NotIn') {
      wrong.push(fieldErrors.invalid(`${at}.operator`, operator ?? '', 'not a valid selector operator'))
    } else if (values?.length !== 1) {
      wrong.push(
        fieldErrors.required(
          `${at}.values`,
          "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
        ),
      )
    }
    if (key !== 'metadata.name')
      wrong.push(fieldErrors.invalid(`${at}.key`, key ?? '', 'not a valid field selector key'))
  }
  return wrong
}

function validatePodTerm(term: PodAffinityTerm, path: string): FieldError[] {
  const wrong = [
    ...validateLabelSelector(term.labelSelector, `${path}.labelSelector`),
    ...validateLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`),
    ...(term.namespaces ?? []).flatMap((namespace, index) =>
      invalidEach(`${path}.namespaces[${index}]`, namespace, dns1123Label(namespace)),
    ),
  ]
  if (!term.topologyKey) wrong.push(fieldErrors.required(`${path}.topologyKey`, 'can not be empty'))
  else wrong.push(...invalidEach(`${path}.topologyKey`, term.topologyKey, qualifiedName(term.topologyKey)))
  return wrong
}

export function validateTopologySpread(
  constraints: readonly TopologySpreadConstraint[] | undefined,
  path: string,
): FieldError[] {
  const wrong: FieldError[] = []
  const seen = new Set<string>()
  for (const [index, one] of (constraints ?? []).entries()) {
    const at = `${path}[${index}]`
    if (!(one.maxSkew > 0))
      wrong.push(fieldErrors.invalid(`${at}.maxSkew`, one.maxSkew ?? 0, 'must be greater than zero'))
    if (!one.topologyKey) wrong.push(fieldErrors.required(`${at}.topologyKey`, 'can not be empty'))
    else wrong.push(...invalidEach(`${at}.topologyKey`, one.topologyKey, qualifiedName(one.topologyKey)))
    wrong.push(...oneOf(`${at}.whenUnsatisfiable`, one.whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']))
    const key = `${one.topologyKey}, ${one.whenUnsatisfiable}`
    if (seen.has(key)) wrong.push(fieldErrors.duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, `{${key}}`))
    seen.add(key)
    if (one.minDomains !== undefined) {
      if (one.minDomains <= 0)
        wrong.push(fieldErrors.invalid(`${at}.minDomains`, one.minDomains, 'must be greater than zero'))
      if (one.whenUnsatisfiable !== 'DoNotSchedule') {
        wrong.push(
          fieldErrors.invalid(
            `${at}.minDomains`,
            one.minDomains,
            `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${one.whenUnsatisfiable}`,
          ),
        )
      }
    }
    wrong.push(
      ...oneOf(`${at}.nodeAffinityPolicy`, one.nodeAffinityPolicy, ['Honor', 'Ignore'], false),
      ...oneOf(`${at}.nodeTaintsPolicy`, one.nodeTaintsPolicy, ['Honor', 'Ignore'], false),
      ...validateLabelSelector(one.labelSelector, `${at}.labelSelector`),
    )
  }
  return wrong
}
