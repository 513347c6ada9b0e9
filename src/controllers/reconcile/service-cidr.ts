import type { IPAddress, Node, ServiceCIDR } from '../../api/kinds.ts'
import { rangeClash } from '../../api/service-ranges.ts'
import { refs } from '../../client/client.ts'
import { type Action, type Controller, keyOf, nothing, type Plan, splitKey, type View } from '../controller.ts'
import { rangeHas, rangesOf } from './address-ranges.ts'
import { isOfService } from './ip-address.ts'
import { timeMs, timestamp } from './timestamp.ts'
import { mutateAction, selfWatch } from './workload.ts'

const finalizer = 'networking.k8s.io/service-cidr-finalizer'
/** So long after its deletion a range may still give addresses on a node that has not heard of it. */
const graceMs = 10_000

/**
 * Says of each range of cluster IPs whether it may be used, and keeps it as long as a Service has an address of it that no
 * other range holds (KEP-1880). Others' conditions stay.
 */
export const serviceCidrController: Controller = {
  name: 'service-cidr',
  watches: [
    selfWatch(refs.serviceCidrs),
    // A machine that comes, or gets another address, may have one that lies in a range.
    { ref: refs.nodes, keysOf: (_change, view) => view.list<ServiceCIDR>(refs.serviceCidrs).map(keyOf) },
    // Another range that holds the same addresses sets one free.
    { ref: refs.serviceCidrs, keysOf: (_change, view) => leaving(view).map(keyOf) },
    {
      ref: refs.ipAddresses,
      keysOf: ({ name }, view) =>
        leaving(view)
          .filter((one) => holds(one, name))
          .map(keyOf),
    },
  ],
  keys: (view) => view.list<ServiceCIDR>(refs.serviceCidrs).map(keyOf),
  plan(key, view, nowMs) {
    const range = view.get<ServiceCIDR>(refs.serviceCidrs, '', splitKey(key).name)
    if (!range) return nothing
    return range.metadata.deletionTimestamp ? planDeletion(range, view, nowMs) : planUse(range, view, nowMs)
  },
}

const leaving = (view: View): ServiceCIDR[] =>
  view.list<ServiceCIDR>(refs.serviceCidrs).filter(({ metadata }) => metadata.deletionTimestamp)

const holds = (one: ServiceCIDR, address: string): boolean => rangesOf(one).some((range) => rangeHas(range, address))

function planUse(range: ServiceCIDR, view: View, nowMs: number): Plan {
  const actions: Action[] = []
  if (!range.metadata.finalizers?.includes(finalizer)) {
    actions.push(
      mutateAction(refs.serviceCidrs, range, (current) => {
        const { finalizers = [] } = current.metadata
        if (!finalizers.includes(finalizer)) current.metadata.finalizers = [...finalizers, finalizer]
        return current
      }),
    )
  }
  const nodes = view.list<Node>(refs.nodes)
  const clash = range.spec?.cidrs?.map((cidr) => rangeClash(cidr, nodes)).find((one) => one !== undefined)
  const ready =
    clash === undefined
      ? ({ status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' } as const)
      : ({ status: 'False', reason: 'Overlap', message: clash } as const)
  actions.push(...setReady(range, ready, nowMs))
  return { actions }
}

function planDeletion(range: ServiceCIDR, view: View, nowMs: number): Plan {
  if (!range.metadata.finalizers?.includes(finalizer)) return nothing
  if (isNeeded(range, view)) {
    const message =
      'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR'
    return { actions: setReady(range, { status: 'False', reason: 'Terminating', message }, nowMs) }
  }
  const leftMs = graceMs - (nowMs - (timeMs(range.metadata.deletionTimestamp) ?? nowMs))
  if (leftMs > 0) return { actions: [], requeueAfterMs: leftMs }
  const release = mutateAction(refs.serviceCidrs, range, (current) => {
    current.metadata.finalizers = current.metadata.finalizers?.filter((one) => one !== finalizer)
    return current
  })
  return { actions: [release] }
}

/** Whether a Service has an address of it that would then be in no range. */
function isNeeded(range: ServiceCIDR, view: View): boolean {
  const others = view
    .list<ServiceCIDR>(refs.serviceCidrs)
    .filter(({ metadata }) => metadata.name !== range.metadata.name && !metadata.deletionTimestamp)
  return view.list<IPAddress>(refs.ipAddresses).some((one) => {
    const ip = one.metadata.name ?? ''
    return isOfService(one) && holds(range, ip) && !others.some((other) => holds(other, ip))
  })
}

function setReady(
  range: ServiceCIDR,
  wanted: { status: 'True' | 'False'; reason: string; message: string },
  nowMs: number,
): Action[] {
  const present = range.status?.conditions?.find(({ type }) => type === 'Ready')
  if (present?.status === wanted.status && present.reason === wanted.reason) return []
  const ready = { type: 'Ready', ...wanted, lastTransitionTime: timestamp(nowMs) }
  const change = (current: ServiceCIDR): ServiceCIDR => {
    const others = (current.status?.conditions ?? []).filter(({ type }) => type !== 'Ready')
    return { ...current, status: { ...current.status, conditions: [...others, ready] } }
  }
  return [mutateAction(refs.serviceCidrs, range, change, 'status')]
}
