import { isDeepStrictEqual } from 'node:util'
import type { GroupResource, KubeObject } from '../api/object.ts'
import { isLinearizable, type RegisterOperation } from './linearizability.ts'
import { initialValue, leaseKey, mapKey, podKeyOf, type BoundPod, type DataMap, type Holder } from './operations.ts'
import type { DeclaredWrite, RegisterWrite } from './records.ts'
import type { SimulatedCluster } from './simulated-cluster.ts'

/** Cheap checks, made again and again while the cluster suffers. */
export function checkAlways(cluster: SimulatedCluster): void {
  const { records, nodes } = cluster
  for (const { life, name } of nodes) {
    const status = life?.decisions.status()
    if (status?.isLeader) records.noteLeader(status.term, name)
  }
  for (const observer of records.observers) {
    if (nodes.some(({ life }) => observer.isOf(life?.store))) observer.check()
  }
}

/** What must hold once every fault is over and nothing is left to be exchanged. */
export function checkAtRest(cluster: SimulatedCluster): void {
  checkAlways(cluster)
  checkEqual(cluster, watched)
  checkRegisters(cluster)
  checkBindings(cluster)
  checkAddresses(cluster)
  for (const reads of cluster.records.reads) reads.check(cluster.records)
  for (const write of cluster.records.declared) checkDeclared(cluster, write)
}

const watched = [
  { group: '', resource: 'configmaps' },
  { group: '', resource: 'pods' },
  { group: '', resource: 'services' },
  { group: 'coordination.k8s.io', resource: 'leases' },
]

/** All nodes show the same, but for the objects' resourceVersions, which are each node's own. */
export function checkEqual({ nodes, records }: SimulatedCluster, resources: readonly GroupResource[]): void {
  const shown = nodes.map(({ life }) => resources.map((ref) => life?.store.list(ref).items.map(withoutVersion)))
  shown.forEach((objects, index) => {
    if (!isDeepStrictEqual(objects, shown[0]))
      records.problem('replicas are equal', `${nodes[index]?.name} differs from ${nodes[0]?.name}`)
  })
}

const withoutVersion = (object: KubeObject): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, resourceVersion: '' },
})

function checkRegisters({ nodes, records, time }: SimulatedCluster): void {
  const store = nodes[0]?.life?.store
  for (const register of new Set(records.registers.map((one) => one.register))) {
    const last = (store?.get(leaseKey(register)) as Holder | undefined)?.spec.holderIdentity ?? ''
    const writes = records.registers.filter((one) => one.register === register && one.outcome !== 'refused')
    const history = [...writes.map(operationOf), readAtEnd(last, time.nowMs)]
    if (!isLinearizable(history, initialValue)) {
      const told = writes.map(({ id, op, outcome }) => `${id}:${JSON.stringify(op)}:${outcome}`).join(' ')
      records.problem('decided writes are linearizable', `${register} ended as ${last}: ${told}`)
    }
  }
}

const operationOf = ({ id, op, calledMs, returnedMs, outcome }: RegisterWrite): RegisterOperation => ({
  id,
  op,
  calledMs,
  returnedMs: outcome === 'ok' ? returnedMs : Infinity,
})

const readAtEnd = (value: string, nowMs: number): RegisterOperation => ({
  id: 'end',
  op: { type: 'read', value },
  calledMs: nowMs,
  returnedMs: nowMs,
})

/** A pod is bound once, and stays where it was bound. */
function checkBindings({ nodes, records }: SimulatedCluster): void {
  for (const pod of new Set(records.bindings.map((one) => one.pod))) {
    const tries = records.bindings.filter((one) => one.pod === pod)
    const done = tries.filter(({ outcome }) => outcome === 'ok')
    const shown = (nodes[0]?.life?.store.get(podKeyOf(pod)) as BoundPod | undefined)?.spec.nodeName
    const told = tries.map(({ node, outcome }) => `${node}:${outcome}`).join(' ')
    if (done.length > 1) records.problem('a pod is bound once', `${pod}: ${told}`)
    if (done[0] && done[0].node !== shown) records.problem('a binding is not lost', `${pod} is on ${shown}: ${told}`)
    const possible = tries.some(({ node, outcome }) => node === shown && outcome !== 'refused')
    if (shown !== undefined && !possible) records.problem('a refused binding has no effect', `${pod} on ${shown}`)
  }
}

/** No ClusterIP or NodePort belongs to two. */
function checkAddresses({ nodes, records }: SimulatedCluster): void {
  const owners = new Map<string, string>()
  for (const { service, ip, port, outcome, isGivenUp } of records.served) {
    if (outcome !== 'ok' || isGivenUp) continue
    const stored = nodes[0]?.life?.store.get({ group: '', resource: 'services', namespace: 'default', name: service })
    if (!stored) records.problem('a Service is not lost', service)
    for (const address of [ip, String(port)]) {
      const owner = owners.get(address)
      if (owner !== undefined) records.problem('an address is given once', `${address}: ${owner} and ${service}`)
      owners.set(address, service)
    }
  }
  for (const ip of new Set(records.claims.map((claim) => claim.ip))) {
    const winners = records.claims.filter((claim) => claim.ip === ip && claim.outcome === 'ok')
    if (new Set(winners.map(({ owner }) => owner)).size > 1) {
      records.problem('an address is claimed once', `${ip}: ${winners.map(({ owner }) => owner).join(' and ')}`)
    }
  }
}

/** An acknowledged declared write stands, or was overwritten by one who had seen it, or lost and was reported. */
function checkDeclared({ nodes, records }: SimulatedCluster, write: DeclaredWrite): void {
  const { name, field, value, uid, outcome } = write
  if (outcome !== 'ok' || records.removed.has(uid)) return
  const shown = nodes[0]?.life?.store.get(mapKey(name)) as DataMap | undefined
  if (shown?.metadata.uid === uid && shown.data?.[field] === value) return
  const rivals = records.declared.filter((one) => one !== write && one.name === name && one.outcome !== 'refused')
  // Of two writes under way on one node the later counts, as on any API server.
  const followed = (one: DeclaredWrite) =>
    one.node === write.node && one.calledMs >= write.calledMs && one.calledMs <= write.returnedMs
  const isOverwritten = rivals.some((one) => one.field === field && (one.saw.has(value) || followed(one)))
  const isReported = records.conflicts.some(
    (conflict) =>
      conflict.uid === uid &&
      (conflict.field === undefined || (conflict.field === `data.${field}` && conflict.value === value)),
  )
  if (isOverwritten || isReported) return
  const ended =
    shown?.metadata.uid === uid ? `${field}=${shown.data?.[field]}` : `another object (${shown?.metadata.uid})`
  records.problem(
    'declared writes are not lost',
    `${write.node} wrote ${name}.${field}=${value} of ${uid}; it ended as ${ended}`,
  )
}
