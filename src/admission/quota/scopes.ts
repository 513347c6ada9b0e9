import type { PersistentVolumeClaim, Pod, ResourceQuota, ScopedResourceSelectorRequirement } from '../../api/kinds.ts'
import { groupResourceName, type GroupResource, type KubeObject } from '../../api/object.ts'
import { containersOf } from '../pod-containers.ts'

/** Whether a quota with scopes counts this object: each scope speaks of pods or of claims, and so counts nothing else. */
export function inScope(quota: ResourceQuota, ref: GroupResource, object: KubeObject): boolean {
  const requirements: ScopedResourceSelectorRequirement[] = [
    ...(quota.spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' })),
    ...(quota.spec?.scopeSelector?.matchExpressions ?? []),
  ]
  if (requirements.length === 0) return true
  switch (groupResourceName(ref)) {
    case 'pods':
      return requirements.every((requirement) => matches(requirement, object as Pod))
    case 'persistentvolumeclaims':
      return requirements.every((requirement) => matchesClaim(requirement, object as PersistentVolumeClaim))
    default:
      return false
  }
}

/** A claim counts for the class that it has, the one that it asks for, and the one that it is on its way to (KEP-3751). */
function matchesClaim(
  { scopeName, operator, values = [] }: ScopedResourceSelectorRequirement,
  { spec, status }: PersistentVolumeClaim,
): boolean {
  if (scopeName !== 'VolumeAttributesClass') return false
  const named = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ].filter(Boolean) as string[]
  return (named.length > 0 ? named : ['']).some((name) => matchesValue(operator, values, name))
}

function matches({ scopeName, operator, values = [] }: ScopedResourceSelectorRequirement, pod: Pod): boolean {
  switch (scopeName) {
    case 'Terminating':
      return isTerminating(pod)
    case 'NotTerminating':
      return !isTerminating(pod)
    case 'BestEffort':
      return isBestEffort(pod)
    case 'NotBestEffort':
      return !isBestEffort(pod)
    case 'PriorityClass':
      return matchesValue(operator, values, pod.spec?.priorityClassName ?? '')
    case 'CrossNamespacePodAffinity':
      return crossesNamespaces(pod)
    default:
      return false
  }
}

function matchesValue(operator: string, values: readonly string[], actual: string): boolean {
  switch (operator) {
    case 'Exists':
      return actual !== ''
    case 'DoesNotExist':
      return actual === ''
    case 'In':
      return values.includes(actual)
    case 'NotIn':
      return !values.includes(actual)
    default:
      return false
  }
}

const isTerminating = (pod: Pod): boolean => (pod.spec?.activeDeadlineSeconds ?? -1) >= 0

function isBestEffort(pod: Pod): boolean {
  return !containersOf(pod).some(({ resources }) =>
    [resources?.requests, resources?.limits].some((amounts) => amounts?.['cpu'] || amounts?.['memory']),
  )
}

function crossesNamespaces(pod: Pod): boolean {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {}
  return [podAffinity, podAntiAffinity].some((affinity) =>
    [
      ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
      ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((one) => one.podAffinityTerm),
    ].some((term) => term?.namespaces?.length || term?.namespaceSelector),
  )
}
