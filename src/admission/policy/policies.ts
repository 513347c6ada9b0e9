import type { Authorize } from '../../api/authorizer.ts'
import type { LabelSelector, MatchResources, Namespace, ParamKind, ParamRef, Variable } from '../../api/kinds.ts'
import type { GroupResource, KubeObject } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import { matchesLabelSelector } from '../../lib/selector.ts'
import { runtimeBudget, type CelBudget } from '../cel/expression.ts'
import { toCel } from '../cel/values.ts'
import { admissionVariables, compileRemembered, conditionVariables } from '../match-conditions.ts'
import { matchedResource, type Equivalents } from '../matching.ts'
import type { AdmissionAttributes, AdmissionResource } from '../plugin.ts'

export interface PolicyOptions {
  informers: Informers
  authorize: Authorize
  equivalents: Equivalents
  /** The resource that holds objects of a kind; undefined when there is no such kind. */
  resourceFor(apiVersion: string, kind: string): (GroupResource & { namespaced: boolean }) | undefined
}

/** The parts that policies share, whether they validate or mutate. */
interface PolicySpec {
  matchConstraints?: MatchResources
  paramKind?: ParamKind
  variables?: Variable[]
}

/** All variables that expressions of policies may use. */
export const policyVariables = [...conditionVariables, 'params', 'namespaceObject', 'variables'] as const

/** Something is wrong with the policy or its parameters: its failurePolicy decides. */
export class PolicyFailure extends Error {
  override name = 'PolicyFailure'
}

/** The resource under which policy and binding both match. */
export function policyMatches(
  options: PolicyOptions,
  attributes: AdmissionAttributes,
  policy: MatchResources | undefined,
  binding: MatchResources | undefined,
): AdmissionResource | undefined {
  const context = { namespaces: options.informers.for<Namespace>(refs.namespaces), equivalents: options.equivalents }
  const criteria = ({ resourceRules, excludeResourceRules, ...rest }: MatchResources) => ({
    ...rest,
    rules: resourceRules ?? [],
    excludeRules: excludeResourceRules,
  })
  const matched = policy && matchedResource(criteria(policy), attributes, context)
  if (!matched || !binding) return matched
  const anything = [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] }]
  // A binding without rules of its own only narrows by selectors.
  const narrowed = criteria(binding)
  const rules = binding.resourceRules?.length ? narrowed.rules : anything
  return matchedResource({ ...narrowed, rules }, attributes, context) && matched
}

/** The parameter objects of a binding; `[undefined]` for a policy without. Throws {@link PolicyFailure} when one is missing. */
export function paramsOf(
  options: PolicyOptions,
  attributes: AdmissionAttributes,
  spec: PolicySpec,
  paramRef: ParamRef | undefined,
): (KubeObject | undefined)[] {
  if (!spec.paramKind || !paramRef) return [undefined]
  const { apiVersion = '', kind = '' } = spec.paramKind
  const ref = options.resourceFor(apiVersion, kind)
  if (!ref) throw new PolicyFailure(`failed to find resource referenced by paramKind: '${apiVersion}, Kind=${kind}'`)
  const informer = options.informers.for<KubeObject>(ref)
  const namespace = ref.namespaced ? (paramRef.namespace ?? attributes.namespace) : ''
  const found = paramRef.name
    ? [informer.get(namespace, paramRef.name)].filter((one) => one !== undefined)
    : informer
        .list(namespace)
        .filter((one) => matchesLabelSelector(paramRef.selector as LabelSelector, one.metadata.labels))
  if (found.length) return found
  if (paramRef.parameterNotFoundAction === 'Allow') return []
  throw new PolicyFailure('no params found for policy binding with `Deny` parameterNotFoundAction')
}

/** What a policy's expressions see, and what they may cost together. */
export interface PolicyScope {
  readonly values: Readonly<Record<string, unknown>>
  readonly budget: CelBudget
}

/** `variables.x` is evaluated when it is first read, in the order of declaration. */
export function policyScope(
  options: PolicyOptions,
  attributes: AdmissionAttributes,
  matched: AdmissionResource,
  params: KubeObject | undefined,
  declared: readonly Variable[] | undefined,
): PolicyScope {
  const budget = { remaining: runtimeBudget }
  const namespace = options.informers.for<Namespace>(refs.namespaces).get('', attributes.namespace)
  const context: Record<string, unknown> = {
    ...admissionVariables(attributes, matched, options.authorize),
    params: toCel(params ?? null),
    namespaceObject: toCel(namespace ?? null),
  }
  const values: Record<string, unknown> = {}
  for (const { name, expression } of declared ?? []) {
    let known: { value: unknown } | undefined
    Object.defineProperty(values, name, {
      enumerable: true,
      get: () => {
        known ??= {
          value: compileRemembered(expression, policyVariables).evaluate({ ...context, variables: values }, budget),
        }
        return known.value
      },
    })
  }
  return { values: { ...context, variables: values }, budget }
}
