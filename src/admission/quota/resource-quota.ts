import type { Namespace, Pod, ResourceQuota } from '../../api/kinds.ts'
import { ancestorsOf, descendantsOf } from '../../api/namespace-tree.ts'
import { groupResourceName, keyString, type GroupResource, type KubeObject } from '../../api/object.ts'
import { errors } from '../../api/status-error.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { Clock } from '../../lib/clock.ts'
import {
  addQuantity,
  compareQuantity,
  formatQuantity,
  parseQuantity,
  subtractQuantity,
  zeroQuantity,
  type Quantity,
} from '../../lib/quantity.ts'
import { containersOf } from '../pod-containers.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../plugin.ts'
import { inScope } from './scopes.ts'
import { addUsage, usageOf, type Usage } from './usage.ts'

/** What was admitted and is not in the store yet counts for this long. */
const pendingMs = 5000
/** Beyond it the oldest is forgotten: a quota may then be overrun by what is in flight. */
const maxPending = 10_000

interface Pending {
  ref: GroupResource
  key: string
  object: KubeObject
  expiresMs: number
}

/**
 * Holds namespaces to their ResourceQuotas and to those of the namespaces above them: a parent's quota bounds what its
 * whole subtree uses. Must be the last plugin: what it counts is going to be written.
 *
 * Usage is counted from this node's own replica plus what it has admitted itself and not stored yet, so a quota is
 * exact on one node. Not promised: that nodes which admit at the same moment, or on two sides of a partition, do not
 * overrun it together; the overrun is bounded by what they admit before they hear of each other.
 */
export function resourceQuota(options: { informers: Informers; clock: Clock }): AdmissionPlugin {
  const { informers, clock } = options
  const quotas = informers.for<ResourceQuota>(refs.resourceQuotas)
  const namespaces = informers.for<Namespace>(refs.namespaces)
  const pending = new Map<string, Pending>()
  let sequence = 0

  function inFlight(ref: GroupResource, namespace: string): KubeObject[] {
    const found: KubeObject[] = []
    for (const [id, one] of pending) {
      const { name = '' } = one.object.metadata
      const stored = name !== '' && informers.for(one.ref).get(one.object.metadata.namespace ?? '', name)
      if (one.expiresMs <= clock.nowMs() || stored) pending.delete(id)
      else if (groupResourceName(one.ref) === groupResourceName(ref) && one.object.metadata.namespace === namespace) {
        found.push(one.object)
      }
    }
    return found
  }

  function used(quota: ResourceQuota, ref: GroupResource): Usage {
    const own = quota.metadata.namespace ?? ''
    const objects = [own, ...descendantsOf(own, namespaces.list())].flatMap((namespace) => [
      ...informers.for(ref).list(namespace),
      ...inFlight(ref, namespace),
    ])
    return objects
      .filter((object) => inScope(quota, ref, object))
      .map((object) => usageOf(ref, object))
      .reduce(addUsage, {})
  }

  function check(attributes: AdmissionAttributes, quota: ResourceQuota): void {
    const { ref, object, oldObject } = attributes
    if (!object || !inScope(quota, ref, object)) return
    const hard = quota.spec?.hard ?? {}
    requireAmounts(attributes, quota, hard)
    const before = oldObject && inScope(quota, ref, oldObject) ? usageOf(ref, oldObject) : {}
    const grown = growth(usageOf(ref, object), before, Object.keys(hard))
    if (grown.length === 0) return
    const usage = used(quota, ref)
    const exceeded = grown.filter(([name, delta]) => {
      const after = addQuantity(usage[name] ?? zeroQuantity, delta)
      return compareQuantity(after, parseQuantity(hard[name]!)) > 0
    })
    if (exceeded.length === 0) return
    const list = (amount: (name: string, delta: Quantity) => string): string =>
      exceeded.map(([name, delta]) => `${name}=${amount(name, delta)}`).join(',')
    throw errors.forbidden(
      ref,
      attributes.name,
      `exceeded quota: ${quota.metadata.name}, requested: ${list((_, delta) => formatQuantity(delta))}, used: ${list((name) => formatQuantity(usage[name] ?? zeroQuantity))}, limited: ${list((name) => String(hard[name]))}`,
    )
  }

  return {
    name: 'ResourceQuota',
    validates(attributes) {
      const { operation, namespace, subresource, object, ref } = attributes
      if (namespace === '' || !object || (operation !== 'CREATE' && operation !== 'UPDATE')) return
      // Of the other subresources none takes more of anything.
      if (subresource !== '' && subresource !== 'resize') return
      const above = ancestorsOf(namespace, (name) => namespaces.get('', name))
      const concerned = [namespace, ...above].flatMap((one) => quotas.list(one))
      if (concerned.length === 0) return
      for (const quota of concerned) check(attributes, quota)
      if (operation !== 'CREATE' || attributes.dryRun) return
      const placed = { ...object, metadata: { ...object.metadata, namespace } }
      const key = keyString({ ...ref, namespace, name: object.metadata.name || `#${sequence++}` })
      pending.set(key, { ref, key, object: placed, expiresMs: clock.nowMs() + pendingMs })
      if (pending.size > maxPending) pending.delete(pending.keys().next().value!)
    },
  }
}

/** Resources under quota of which the object uses more than before. */
function growth(after: Usage, before: Usage, names: readonly string[]): [string, Quantity][] {
  return names.flatMap((name): [string, Quantity][] => {
    const delta = subtractQuantity(after[name] ?? zeroQuantity, before[name] ?? zeroQuantity)
    return delta.nano > 0n ? [[name, delta]] : []
  })
}

/** Under a quota of cpu or memory every container must say how much it takes: otherwise nothing could be counted. */
function requireAmounts(
  attributes: AdmissionAttributes,
  quota: ResourceQuota,
  hard: Readonly<Record<string, unknown>>,
): void {
  if (groupResourceName(attributes.ref) !== 'pods' || attributes.operation !== 'CREATE') return
  const lacking = Object.keys(hard).flatMap((name) => {
    const [, kind, resource] = name.match(/^(?:(requests|limits)\.)?(cpu|memory)$/) ?? []
    if (!resource) return []
    const which = kind === 'limits' ? 'limits' : 'requests'
    const silent = containersOf(attributes.object as Pod).filter(
      (one) => one.resources?.[which]?.[resource] === undefined,
    )
    return silent.length
      ? [
          `${name} for: ${silent
            .map((one) => one.name)
            .toSorted()
            .join(',')}`,
        ]
      : []
  })
  if (lacking.length === 0) return
  const why = `failed quota: ${quota.metadata.name}: must specify ${lacking.toSorted().join('; ')}`
  throw errors.forbidden(attributes.ref, attributes.name, why)
}
