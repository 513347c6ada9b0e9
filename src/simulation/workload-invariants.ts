import type { Deployment, EndpointSlice, Job, Pod, Service, StatefulSet } from '../api/kinds.ts'
import { serviceNameLabel } from '../api/endpoint-slice.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { PodLedger } from './pod-ledger.ts'
import type { Records } from './records.ts'

/**
 * What is not yet as the users asked for it, in words; empty once controllers, scheduler and kubelets have done all
 * there was to do.
 */
export function unfinished(informers: Informers, ledger: PodLedger): string[] {
  const pods = informers.for<Pod>(refs.pods).list()
  return [
    ...informers.for<Deployment>(refs.deployments).list().flatMap(workloadGap),
    ...informers.for<StatefulSet>(refs.statefulSets).list().flatMap(workloadGap),
    ...informers.for<Job>({ group: 'batch', resource: 'jobs' }).list().flatMap(jobGap),
    ...pods.flatMap((pod) => podGap(pod, ledger)),
    ...ledger
      .all()
      .flatMap(({ uid, name, node }) =>
        pods.some((pod) => pod.metadata.uid === uid) ? [] : [`${name} still runs on ${node}`],
      ),
    ...informers
      .for<Service>(refs.services)
      .list()
      .flatMap((service) => serviceGap(service, pods, informers.for<EndpointSlice>(refs.endpointSlices).list())),
  ]
}

function workloadGap({ kind, metadata, spec, status }: Deployment | StatefulSet): string[] {
  const wanted = spec?.replicas ?? 1
  const { observedGeneration, replicas = 0, readyReplicas = 0, updatedReplicas = 0 } = status ?? {}
  const isDone =
    !metadata.deletionTimestamp &&
    observedGeneration === metadata.generation &&
    [replicas, readyReplicas, updatedReplicas].every((count) => count === wanted)
  return isDone ? [] : [`${kind} ${metadata.name} wants ${wanted}: ${JSON.stringify(status)}`]
}

function jobGap({ metadata, status }: Job): string[] {
  const isOver = status?.conditions?.some(
    ({ type, status: holds }) => (type === 'Complete' || type === 'Failed') && holds === 'True',
  )
  return isOver && !metadata.deletionTimestamp ? [] : [`Job ${metadata.name} is not over: ${JSON.stringify(status)}`]
}

function podGap({ metadata, spec, status }: Pod, ledger: PodLedger): string[] {
  const { name, uid = '', deletionTimestamp } = metadata
  if (deletionTimestamp) return [`pod ${name} is still ending on ${spec?.nodeName}`]
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return []
  const running = ledger.get(uid)
  if (!running) return [`pod ${name} (${status?.phase}) does not run, though bound to ${spec?.nodeName}`]
  return running.node === spec?.nodeName && running.ip === status?.podIP
    ? []
    : [`pod ${name} runs on ${running.node} as ${running.ip}, shown on ${spec?.nodeName} as ${status?.podIP}`]
}

function serviceGap({ metadata, spec }: Service, pods: readonly Pod[], slices: readonly EndpointSlice[]): string[] {
  const { selector } = spec ?? {}
  if (!selector) return []
  const wanted = pods
    .filter(({ metadata: { labels, namespace }, status }) => {
      const isChosen = Object.entries(selector).every(([key, value]) => labels?.[key] === value)
      return isChosen && namespace === metadata.namespace && status?.phase === 'Running'
    })
    .map(({ status }) => status?.podIP ?? '')
  const told = slices
    .filter((slice) => slice.metadata.labels?.[serviceNameLabel] === metadata.name)
    .flatMap(({ endpoints }) =>
      (endpoints ?? []).filter(({ conditions }) => conditions?.ready).flatMap((one) => one.addresses),
    )
  const [a, b] = [wanted.toSorted().join(), told.toSorted().join()]
  return a === b ? [] : [`Service ${metadata.name} leads to [${b}], its pods are [${a}]`]
}

/** No ClusterIP, NodePort or pod IP belongs to two objects. */
export function checkObjectAddresses(informers: Informers, records: Records): void {
  const owners = new Map<string, string>()
  const claim = (address: string | undefined, owner: string): void => {
    if (!address || address === 'None') return
    const other = owners.get(address)
    if (other !== undefined) records.problem('an address is given once', `${address}: ${other} and ${owner}`)
    owners.set(address, owner)
  }
  for (const { metadata, spec } of informers.for<Service>(refs.services).list()) {
    claim(spec?.clusterIP, `Service ${metadata.name}`)
    for (const { nodePort } of spec?.ports ?? [])
      claim(nodePort === undefined ? undefined : `port ${nodePort}`, `Service ${metadata.name}`)
  }
  for (const { metadata, status } of informers.for<Pod>(refs.pods).list()) {
    if (status?.phase === 'Running') claim(status.podIP, `Pod ${metadata.name}`)
  }
}
