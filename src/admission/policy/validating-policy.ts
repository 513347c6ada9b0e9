import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, Validation } from '../../api/kinds.ts'
import { groupResourceName } from '../../api/object.ts'
import { StatusError, statusCodes, type StatusReason } from '../../api/status-error.ts'
import { CelBudgetError } from '../cel/expression.ts'
import { compileRemembered, conditionsHold } from '../match-conditions.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../plugin.ts'
import {
  paramsOf,
  policyMatches,
  policyScope,
  policyVariables,
  type PolicyOptions,
  type PolicyScope,
} from './policies.ts'

const group = 'admissionregistration.k8s.io'

interface Finding {
  message: string
  reason: StatusReason
}

/** ValidatingAdmissionPolicy (KEP-3488): expressions that must be true, bound by bindings that say what follows if not. */
export function validatingAdmissionPolicies(options: PolicyOptions): AdmissionPlugin {
  const policies = options.informers.for<ValidatingAdmissionPolicy>({ group, resource: 'validatingadmissionpolicies' })
  const bindings = options.informers.for<ValidatingAdmissionPolicyBinding>({
    group,
    resource: 'validatingadmissionpolicybindings',
  })

  function findings(
    attributes: AdmissionAttributes,
    policy: ValidatingAdmissionPolicy,
    binding: ValidatingAdmissionPolicyBinding,
  ): Finding[] {
    const { spec = {} } = policy
    try {
      const matched = policyMatches(options, attributes, spec.matchConstraints, binding.spec?.matchResources)
      if (!matched) return []
      return paramsOf(options, attributes, spec, binding.spec?.paramRef).flatMap((params) => {
        const scope = policyScope(options, attributes, matched, params, spec.variables)
        if (!conditionsHold(spec.matchConditions, scope.values)) return []
        const found = (spec.validations ?? []).flatMap(
          (validation) => violation(validation, scope, spec.failurePolicy) ?? [],
        )
        annotate(attributes, policy, scope)
        return found
      })
    } catch (error) {
      if (spec.failurePolicy === 'Ignore') return []
      return [{ message: (error as Error).message, reason: 'Invalid' }]
    }
  }

  return {
    name: 'ValidatingAdmissionPolicy',
    validates(attributes) {
      for (const binding of bindings.list()) {
        const policy = policies.get('', binding.spec?.policyName ?? '')
        if (!policy) continue
        const found = findings(attributes, policy, binding)
        for (const one of found) act(attributes, policy, binding, one)
      }
    },
  }
}

function act(
  attributes: AdmissionAttributes,
  policy: ValidatingAdmissionPolicy,
  binding: ValidatingAdmissionPolicyBinding,
  { message, reason }: Finding,
): void {
  const names = `'${policy.metadata.name}' with binding '${binding.metadata.name}'`
  const actions = binding.spec?.validationActions ?? []
  if (actions.includes('Warn')) {
    attributes.warnings.push(`Validation failed for ValidatingAdmissionPolicy ${names}: ${message}`)
  }
  if (actions.includes('Audit')) {
    const entry = { message, policy: policy.metadata.name, binding: binding.metadata.name, validationActions: actions }
    attributes.auditAnnotations['validation.policy.admission.k8s.io/validation_failure'] = JSON.stringify([entry])
  }
  if (!actions.includes('Deny')) return
  const { ref, name } = attributes
  const target = name === '' ? groupResourceName(ref) : `${groupResourceName(ref)} ${JSON.stringify(name)}`
  throw new StatusError(
    reason,
    `${target} is forbidden: ValidatingAdmissionPolicy ${names} denied request: ${message}`,
    { name, kind: ref.resource, ...(ref.group ? { group: ref.group } : {}), causes: [{ message }] },
  )
}

function violation(validation: Validation, scope: PolicyScope, failurePolicy: string | undefined): Finding | undefined {
  const reason: StatusReason =
    validation.reason && validation.reason in statusCodes ? (validation.reason as StatusReason) : 'Invalid'
  try {
    if (compileRemembered(validation.expression, policyVariables).evaluate(scope.values, scope.budget) === true)
      return undefined
  } catch (error) {
    if (error instanceof CelBudgetError) throw error
    if (failurePolicy === 'Ignore') return undefined
    return { message: `expression '${validation.expression}' resulted in error: ${(error as Error).message}`, reason }
  }
  return { message: messageOf(validation, scope), reason }
}

/** The expression's message, else the plain one, else the expression itself. */
function messageOf({ expression, message, messageExpression }: Validation, { values, budget }: PolicyScope): string {
  if (messageExpression) {
    try {
      const text = compileRemembered(messageExpression, policyVariables).evaluate(values, budget)
      if (typeof text === 'string' && text.trim() !== '' && !text.includes('\n')) return text.trim()
    } catch (error) {
      if (error instanceof CelBudgetError) throw error
      // A message that cannot be made is replaced by the plain one, as upstream does.
    }
  }
  return message?.trim() || `failed expression: ${expression.trim()}`
}

function annotate(
  attributes: AdmissionAttributes,
  policy: ValidatingAdmissionPolicy,
  { values, budget }: PolicyScope,
): void {
  for (const { key, valueExpression } of policy.spec?.auditAnnotations ?? []) {
    const value = compileRemembered(valueExpression, policyVariables).evaluate(values, budget)
    if (typeof value === 'string') attributes.auditAnnotations[`${policy.metadata.name}/${key}`] = value
  }
}
