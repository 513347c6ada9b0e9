import type { KubeObject, ObjectKey } from '../api/object.ts'
import { isStatus } from '../api/status-error.ts'
import type { PlannedOperation } from './plan.ts'
import type { DeclaredWrite, Outcome } from './records.ts'
import type { SimulatedCluster } from './simulated-cluster.ts'
import type { Life, SimulatedNode } from './simulated-node.ts'
import { configMaps, filteredLabel } from './watch-observer.ts'

export const registerCount = 2
const podCount = 4
const mapCount = 6
const fieldCount = 3
const claimedAddresses = 3
const patienceMs = 150

export const initialValue = 'initial'

const keyOf = (group: string, resource: string, name: string): ObjectKey => ({
  group,
  resource,
  namespace: 'default',
  name,
})
export const leaseKey = (register: string): ObjectKey => keyOf('coordination.k8s.io', 'leases', register)
export const podKeyOf = (pod: string): ObjectKey => keyOf('', 'pods', pod)
export const mapKey = (name: string): ObjectKey => keyOf(configMaps.group, configMaps.resource, name)
const serviceKey = (name: string): ObjectKey => keyOf('', 'services', name)

export type Holder = KubeObject & { spec: { holderIdentity: string } }
export type BoundPod = KubeObject & { spec: { nodeName?: string } }
export type DataMap = KubeObject & { data?: Record<string, string> }

const object = (apiVersion: string, kind: string, name: string, rest: object): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, namespace: 'default' },
  ...rest,
})

/** What the clients need to find: registers and pods, made before anything goes wrong. */
export async function prepare({ life }: SimulatedNode): Promise<void> {
  if (!life) throw new Error('the node is not up')
  for (let i = 0; i < registerCount; i += 1) {
    const lease = object('coordination.k8s.io/v1', 'Lease', `register-${i}`, { spec: { holderIdentity: initialValue } })
    await life.store.write({ op: 'create', key: leaseKey(`register-${i}`), object: lease, decided: true })
  }
  for (let i = 0; i < podCount; i += 1) {
    const pod = object('v1', 'Pod', `pod-${i}`, { spec: { containers: [{ name: 'a', image: 'a' }] } })
    await life.store.write({ op: 'create', key: podKeyOf(`pod-${i}`), object: pod, decided: false })
  }
}

/** Carries out one operation through its node; nothing when that is down. Its outcome goes into the records. */
export function operate(cluster: SimulatedCluster, planned: PlannedOperation, id: string): void {
  const node = cluster.nodes[(planned.node - 1) % cluster.nodes.length]
  const life = node?.life
  if (!node || !life || life.clock.isPaused) return
  const { a, b } = planned
  switch (planned.operation) {
    case 'set':
      return set(cluster, node, life, `map-${a % mapCount}`, `f${b % fieldCount}`, id)
    case 'remove':
      return remove(cluster, life, `map-${a % mapCount}`)
    case 'compare-and-set':
    case 'write':
      return writeRegister(cluster, life, `register-${a % registerCount}`, id, planned.operation)
    case 'bind':
      return bind(cluster, life, `pod-${a % podCount}`, `node-${b}-${id}`)
    case 'serve':
      return serve(cluster, life, `service-${id}`)
    case 'unserve':
      return unserve(cluster, life, a)
    case 'claim':
      return claim(cluster, node, life, `10.96.255.${a % claimedAddresses}`, id)
    case 'read':
      return read(cluster, life, a, b)
    case 'resume-watch':
      cluster.records.observers.find((one) => one.isOf(life.store))?.resume(a)
  }
}

function read({ records }: SimulatedCluster, { store }: Life, a: number, b: number): void {
  const reads = records.reads.find((one) => one.isOf(store))
  reads?.readRegister(`register-${a % registerCount}`)
  reads?.readMap(`map-${b % mapCount}`)
}

/** Follows a write to its end. What is refused with these reasons has surely not happened. */
function follow(
  cluster: SimulatedCluster,
  record: { outcome: Outcome; returnedMs?: number },
  work: Promise<unknown>,
  isCertain: (error: unknown) => boolean = (error) => !isStatus(error, 'Timeout'),
): void {
  const over = (outcome: Outcome) => {
    record.outcome = outcome
    record.returnedMs = cluster.time.nowMs
  }
  work.then(
    () => over('ok'),
    (error: unknown) => over(isCertain(error) && !isAbort(error) ? 'refused' : 'unknown'),
  )
}

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError'

/** The signal of a client that may lose patience. */
function patience(cluster: SimulatedCluster): { signal?: AbortSignal } {
  if (!cluster.clientsGiveUp) return {}
  const controller = new AbortController()
  cluster.time.after(patienceMs, () => {
    cluster.hit('client.gives-up')
    controller.abort()
  })
  return { signal: controller.signal }
}

function set(
  cluster: SimulatedCluster,
  node: SimulatedNode,
  { store }: Life,
  name: string,
  field: string,
  value: string,
): void {
  const key = mapKey(name)
  const base = store.get(key) as DataMap | undefined
  const record: DeclaredWrite = {
    node: node.name,
    name,
    field,
    value,
    calledMs: cluster.time.nowMs,
    returnedMs: Infinity,
    saw: new Set(base?.data?.[field] === undefined ? [] : [base.data[field]]),
    uid: base?.metadata.uid ?? '',
    outcome: 'pending',
  }
  cluster.records.declared.push(record)
  const seeing = store.watch(configMaps, undefined, ({ object: seen }) => {
    const shown = (seen as DataMap).data?.[field]
    if (seen.metadata.name === name && shown !== undefined && shown !== value) record.saw.add(shown)
  })
  const labelled = (of: KubeObject) => ({ ...of.metadata, labels: { [filteredLabel.name]: field } })
  const created = object('v1', 'ConfigMap', name, { data: { [field]: value } })
  const write = () =>
    base
      ? store.write({
          op: 'update',
          key,
          uid: record.uid,
          base,
          object: { ...base, metadata: labelled(base), data: { ...base.data, [field]: value } } as DataMap,
          decided: false,
        })
      : store.write({
          op: 'create',
          key,
          object: { ...created, metadata: labelled(created) },
          decided: false,
        })
  const work = write().then((written) => {
    record.uid = written.metadata.uid ?? ''
  })
  if (cluster.clientsRepeat && base) {
    cluster.hit('client.repeats')
    write().catch(() => undefined)
  }
  follow(
    cluster,
    record,
    work.finally(() => seeing.close()),
    () => true,
  )
}

function remove({ records }: SimulatedCluster, { store }: Life, name: string): void {
  const base = store.get(mapKey(name))
  if (!base) return
  records.removed.add(base.metadata.uid ?? '')
  store.write({ op: 'delete', key: mapKey(name), uid: base.metadata.uid ?? '', decided: false }).catch(() => undefined)
}

function writeRegister(
  cluster: SimulatedCluster,
  { store }: Life,
  register: string,
  value: string,
  operation: 'write' | 'compare-and-set',
): void {
  const base = store.get(leaseKey(register)) as Holder | undefined
  if (!base) return
  const { resourceVersion } = base.metadata
  const isConditional = operation === 'compare-and-set' && resourceVersion !== undefined
  const record = {
    register,
    id: value,
    op: isConditional
      ? ({ type: 'compare-and-set', expected: base.spec.holderIdentity, value } as const)
      : ({ type: 'write', value } as const),
    calledMs: cluster.time.nowMs,
    returnedMs: Infinity,
    outcome: 'pending' as Outcome,
  }
  cluster.records.registers.push(record)
  const work = store.write(
    {
      op: 'update',
      key: leaseKey(register),
      uid: base.metadata.uid ?? '',
      base,
      object: { ...base, spec: { ...base.spec, holderIdentity: value } } as Holder,
      decided: true,
      ...(isConditional ? { resourceVersion } : {}),
    },
    patience(cluster),
  )
  follow(cluster, record, work)
}

function bind(cluster: SimulatedCluster, { store }: Life, pod: string, target: string): void {
  const base = store.get(podKeyOf(pod)) as BoundPod | undefined
  if (!base || base.spec.nodeName !== undefined) return
  const record = { pod, node: target, outcome: 'pending' as Outcome }
  cluster.records.bindings.push(record)
  const bound = { ...base, spec: { ...base.spec, nodeName: target } } as BoundPod
  const uid = base.metadata.uid ?? ''
  follow(
    cluster,
    record,
    store.write({ op: 'update', key: podKeyOf(pod), uid, base, object: bound, decided: true }, patience(cluster)),
  )
}

/** A Service with an address of the node's own reserve: works without a leader. */
function serve(cluster: SimulatedCluster, { store, decisions }: Life, service: string): void {
  let ip: string | undefined
  let port: number | undefined
  try {
    ip = decisions.takeClusterIp()
    port = decisions.takeNodePort()
  } catch {
    if (ip !== undefined) decisions.returnClusterIp(ip)
    return
  }
  const record = { service, ip, port, outcome: 'pending' as Outcome, isGivenUp: false }
  cluster.records.served.push(record)
  const spec = { clusterIP: ip, ports: [{ port: 80, nodePort: port }] }
  const work = store.write({
    op: 'create',
    key: serviceKey(service),
    object: object('v1', 'Service', service, { spec }),
    decided: false,
  })
  work.catch(() => {
    decisions.returnClusterIp(record.ip)
    decisions.returnNodePort(record.port)
  })
  follow(cluster, record, work, () => true)
}

function unserve({ records }: SimulatedCluster, { store, decisions }: Life, choice: number): void {
  const { items } = store.list({ group: '', resource: 'services' })
  const name = items[choice % Math.max(1, items.length)]?.metadata.name
  const record = records.served.find(({ service }) => service === name)
  const uid = name === undefined ? undefined : store.get(serviceKey(name))?.metadata.uid
  if (!record || uid === undefined || name === undefined) return
  record.isGivenUp = true
  store
    .write({ op: 'delete', key: serviceKey(name), uid, decided: false })
    .then(() => decisions.command({ type: 'release', clusterIps: [record.ip], nodePorts: [record.port] }))
    .catch(() => undefined)
}

function claim(cluster: SimulatedCluster, node: SimulatedNode, { decisions }: Life, ip: string, owner: string): void {
  const record = { ip, owner, outcome: 'pending' as Outcome }
  cluster.records.claims.push(record)
  follow(
    cluster,
    record,
    decisions.command({ type: 'claim', node: node.name, clusterIp: ip, owner }, patience(cluster)),
  )
}
