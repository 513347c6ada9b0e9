import type { MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, Mutation } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { errors } from '../../api/status-error.ts'
import { applyJsonPatch } from '../../schema/json-patch.ts'
import { fromCel } from '../cel/values.ts'
import { compileRemembered, conditionsHold } from '../match-conditions.ts'
import type { AdmissionAttributes, AdmissionPlugin, AdmissionResource } from '../plugin.ts'
import {
  paramsOf,
  policyMatches,
  policyScope,
  policyVariables,
  type PolicyOptions,
  type PolicyScope,
} from './policies.ts'

const group = 'admissionregistration.k8s.io'

export interface MutatingPolicyOptions extends PolicyOptions {
  /** Lays an apply configuration over an object as server-side apply merges. */
  mergeApplied(ref: AdmissionResource, object: KubeObject, configuration: unknown): KubeObject
}

/** MutatingAdmissionPolicy (KEP-3962): expressions that make a patch or an apply configuration. */
export function mutatingAdmissionPolicies(options: MutatingPolicyOptions): AdmissionPlugin {
  const policies = options.informers.for<MutatingAdmissionPolicy>({ group, resource: 'mutatingadmissionpolicies' })
  const bindings = options.informers.for<MutatingAdmissionPolicyBinding>({
    group,
    resource: 'mutatingadmissionpolicybindings',
  })
  /** Requests that had their first round: in the second only policies run that want another. */
  const seen = new WeakSet<AdmissionAttributes>()

  function mutate(
    attributes: AdmissionAttributes,
    policy: MutatingAdmissionPolicy,
    binding: MutatingAdmissionPolicyBinding,
  ): void {
    const { spec = {} } = policy
    const matched = policyMatches(options, attributes, spec.matchConstraints, binding.spec?.matchResources)
    if (!matched || !attributes.object) return
    for (const params of paramsOf(options, attributes, spec, binding.spec?.paramRef)) {
      if (
        !conditionsHold(spec.matchConditions, policyScope(options, attributes, matched, params, spec.variables).values)
      )
        continue
      for (const mutation of spec.mutations ?? []) {
        // Each mutation sees what the ones before it made.
        const scope = policyScope(options, attributes, matched, params, spec.variables)
        attributes.object = mutated(attributes.ref, attributes.object!, mutation, scope)
      }
    }
  }

  function mutated(
    ref: AdmissionResource,
    object: KubeObject,
    mutation: Mutation,
    { values, budget }: PolicyScope,
  ): KubeObject {
    const expression = mutation.applyConfiguration?.expression ?? mutation.jsonPatch?.expression ?? ''
    const made = fromCel(compileRemembered(expression, policyVariables).evaluate(values, budget))
    return mutation.patchType === 'JSONPatch'
      ? (applyJsonPatch(object, made) as KubeObject)
      : options.mergeApplied(ref, object, made)
  }

  return {
    name: 'MutatingAdmissionPolicy',
    mutates(attributes) {
      const bound = bindings.list()
      if (!attributes.object || bound.length === 0) return false
      const isAgain = seen.has(attributes)
      seen.add(attributes)
      const before = JSON.stringify(attributes.object)
      const ordered = bound.toSorted((left, right) =>
        (left.metadata.name ?? '') < (right.metadata.name ?? '') ? -1 : 1,
      )
      for (const binding of ordered) {
        const policy = policies.get('', binding.spec?.policyName ?? '')
        if (!policy || (isAgain && policy.spec?.reinvocationPolicy !== 'IfNeeded')) continue
        try {
          mutate(attributes, policy, binding)
        } catch (error) {
          if (policy.spec?.failurePolicy === 'Ignore') continue
          const names = `'${policy.metadata.name}' with binding '${binding.metadata.name}'`
          const why = `MutatingAdmissionPolicy ${names} denied request: ${(error as Error).message}`
          throw errors.forbidden(attributes.ref, attributes.name, why)
        }
      }
      return JSON.stringify(attributes.object) !== before
    },
  }
}
