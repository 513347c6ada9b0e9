import type { ServiceCIDR } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { type Controller, keyOf, nothing, splitKey } from '../controller.ts'
import { timestamp } from './timestamp.ts'
import { mutateAction, selfWatch } from './workload.ts'

/** Says of each range of cluster IPs that it may be used (KEP-1880). Others' conditions stay. */
export const serviceCidrController: Controller = {
  name: 'service-cidr',
  watches: [selfWatch(refs.serviceCidrs)],
  keys: (view) => view.list<ServiceCIDR>(refs.serviceCidrs).map(keyOf),
  plan(key, view, nowMs) {
    const range = view.get<ServiceCIDR>(refs.serviceCidrs, '', splitKey(key).name)
    if (!range || range.metadata.deletionTimestamp) return nothing
    if (range.status?.conditions?.some(({ type }) => type === 'Ready')) return nothing
    const ready = {
      type: 'Ready',
      status: 'True',
      reason: '',
      message: 'Kubernetes Service CIDR is ready',
      lastTransitionTime: timestamp(nowMs),
    }
    const change = (current: ServiceCIDR) => ({
      ...current,
      status: { ...current.status, conditions: [...(current.status?.conditions ?? []), ready] },
    })
    return { actions: [mutateAction(refs.serviceCidrs, range, change, 'status')] }
  },
}
