import type { LabelSelector, Namespace, NamedRuleWithOperations } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import type { Informer } from '../client/informer.ts'
import { matchesLabelSelector } from '../lib/selector.ts'
import type { AdmissionAttributes, AdmissionResource } from './plugin.ts'

/** What webhooks and policies match requests by. */
export interface MatchCriteria {
  rules: readonly NamedRuleWithOperations[]
  excludeRules?: readonly NamedRuleWithOperations[]
  namespaceSelector?: LabelSelector
  objectSelector?: LabelSelector
  /** Exact, or Equivalent (default): other versions of the same resource count too. */
  matchPolicy?: string
}

/** The other versions in which a resource is served. */
export type Equivalents = (ref: AdmissionResource) => readonly AdmissionResource[]

/** Configuration of admission itself is exempt: a broken policy must not keep anybody from mending it. */
const exempt = new Set([
  'validatingwebhookconfigurations',
  'mutatingwebhookconfigurations',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
])

/** The resource under which the request matches, or undefined. */
export function matchedResource(
  criteria: MatchCriteria,
  attributes: AdmissionAttributes,
  context: { namespaces: Informer<Namespace>; equivalents: Equivalents },
): AdmissionResource | undefined {
  if (attributes.ref.group === 'admissionregistration.k8s.io' && exempt.has(attributes.ref.resource)) return undefined
  if (!namespaceSelected(criteria, attributes, context.namespaces) || !objectSelected(criteria, attributes))
    return undefined
  const candidates =
    criteria.matchPolicy === 'Exact' ? [attributes.ref] : [attributes.ref, ...context.equivalents(attributes.ref)]
  const isExcluded = candidates.some((ref) => criteria.excludeRules?.some((rule) => ruleMatches(rule, attributes, ref)))
  if (isExcluded) return undefined
  return candidates.find((ref) => criteria.rules.some((rule) => ruleMatches(rule, attributes, ref)))
}

function ruleMatches(rule: NamedRuleWithOperations, attributes: AdmissionAttributes, ref: AdmissionResource): boolean {
  const anyOf = (list: readonly string[] | undefined, value: string): boolean =>
    (list?.includes('*') || list?.includes(value)) ?? false
  const isNamespaced = attributes.namespace !== '' && ref.resource !== 'namespaces'
  if (rule.scope === 'Namespaced' && !isNamespaced) return false
  if (rule.scope === 'Cluster' && isNamespaced) return false
  return (
    anyOf(rule.operations, attributes.operation) &&
    anyOf(rule.apiGroups, ref.group) &&
    anyOf(rule.apiVersions, ref.version) &&
    (rule.resources ?? []).some((pattern) => resourceMatches(pattern, ref.resource, attributes.subresource)) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(attributes.name))
  )
}

/** `pods`, `pods/log`, `pods/*`, `*`, `*` + `/scale`, `*` + `/*`; a bare name is the main resource only. */
function resourceMatches(pattern: string, resource: string, subresource: string): boolean {
  const [wantedResource, wantedSubresource = ''] = pattern.split('/')
  return (
    (wantedResource === '*' || wantedResource === resource) &&
    (wantedSubresource === '*' || wantedSubresource === subresource)
  )
}

function namespaceSelected(
  { namespaceSelector }: MatchCriteria,
  { ref, namespace, object, oldObject }: AdmissionAttributes,
  namespaces: Informer<Namespace>,
): boolean {
  if (!namespaceSelector) return true
  const isNamespace = ref.group === '' && ref.resource === 'namespaces'
  if (isNamespace) return matchesLabelSelector(namespaceSelector, (object ?? oldObject)?.metadata.labels ?? {})
  if (namespace === '') return true
  return matchesLabelSelector(namespaceSelector, namespaces.get('', namespace)?.metadata.labels ?? {})
}

function objectSelected({ objectSelector }: MatchCriteria, { object, oldObject }: AdmissionAttributes): boolean {
  if (!objectSelector) return true
  const selected = (one: KubeObject | undefined): boolean =>
    one !== undefined && matchesLabelSelector(objectSelector, one.metadata?.labels ?? {})
  return selected(object) || selected(oldObject)
}
