import type { ResourceQuota, ResourceQuotaStatus } from '../../api/kinds.ts'
import type { GroupResource, KubeObject } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import { formatQuantity, parseQuantity, zeroQuantity } from '../../lib/quantity.ts'
import { inScope } from './scopes.ts'
import { addUsage, usageOf } from './usage.ts'

const plainCounts: Readonly<Record<string, GroupResource>> = {
  pods: refs.pods,
  services: refs.services,
  secrets: refs.secrets,
  configmaps: refs.configMaps,
  persistentvolumeclaims: refs.persistentVolumeClaims,
  replicationcontrollers: refs.replicationControllers,
  resourcequotas: refs.resourceQuotas,
}

/** The resource whose objects use up an amount of this name: `count/jobs.batch`, `requests.storage`, `limits.cpu`. */
export function countedResource(name: string): GroupResource {
  if (name.startsWith('count/')) {
    const [resource = '', ...group] = name.slice('count/'.length).split('.')
    return { group: group.join('.'), resource }
  }
  if (name === 'requests.storage' || name.includes('.storageclass.storage.k8s.io/')) return refs.persistentVolumeClaims
  if (name.startsWith('services.')) return refs.services
  return plainCounts[name] ?? refs.pods
}

/**
 * What the quota's status is to say: the amounts of its spec and how much of each is used. `list` gives the objects of
 * one resource in the quota's namespace. Pure.
 */
export function quotaStatus(
  quota: ResourceQuota,
  list: (ref: GroupResource) => readonly KubeObject[],
): ResourceQuotaStatus {
  const hard = quota.spec?.hard ?? {}
  const used: Record<string, string> = {}
  const byResource = Map.groupBy(Object.keys(hard), (name) => {
    const { group, resource } = countedResource(name)
    return `${resource}.${group}`
  })
  for (const names of byResource.values()) {
    const ref = countedResource(names[0] ?? '')
    const usage = list(ref)
      .filter((object) => inScope(quota, ref, object))
      .map((object) => usageOf(ref, object))
      .reduce(addUsage, {})
    for (const name of names) used[name] = formatQuantity(usage[name] ?? zeroQuantity)
  }
  return { hard: { ...hard }, used }
}

/** By value, not by writing: `1` and `1000m` are one amount. */
export function sameAmounts(
  left: Readonly<Record<string, string | number>> | undefined,
  right: Readonly<Record<string, string | number>> | undefined,
): boolean {
  const names = new Set([...Object.keys(left ?? {}), ...Object.keys(right ?? {})])
  return [...names].every((name) => {
    const [a, b] = [left?.[name], right?.[name]]
    return a !== undefined && b !== undefined && formatQuantity(parseQuantity(a)) === formatQuantity(parseQuantity(b))
  })
}
