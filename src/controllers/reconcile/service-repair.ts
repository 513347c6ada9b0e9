import type { Service, ServiceCIDR } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { type Action, type Controller, keyOf, nothing, referenceTo, splitKey, type View } from '../controller.ts'
import { rangeHas, rangesOf } from './address-ranges.ts'
import { byHolding, clusterIpsOf, isOlder, nodePortsOf, portKey } from './service-holdings.ts'
import { eventAction, selfWatch } from './workload.ts'

/**
 * Tells of Services whose addresses or node ports another one holds too, or that are outside of every ServiceCIDR: made
 * before the range was changed, or restored from elsewhere. As upstream's ipallocator and portallocator repair, it takes
 * nothing away from anybody: the younger one is to be recreated. What nobody holds is taken back by the decision log.
 */
export const serviceRepairController: Controller = {
  name: 'service-repair',
  watches: [selfWatch(refs.services)],
  keys: (view) => view.list<Service>(refs.services).map(keyOf),
  plan(key, view) {
    const { namespace, name } = splitKey(key)
    const service = view.get<Service>(refs.services, namespace, name)
    if (!service || service.metadata.deletionTimestamp) return nothing
    const isHeldByOlder = (value: string): boolean =>
      view.indexed<Service>(refs.services, byHolding, value).some((other) => isOlder(other, service))
    const warn = (reason: string, message: string): Action =>
      eventAction(referenceTo(service), 'Warning', reason, message)
    return {
      actions: [
        ...clusterIpsOf(service).flatMap((ip) => [
          ...(isOutside(ip, view)
            ? [
                warn(
                  'ClusterIPOutOfRange',
                  `Cluster IP ${ip} is not within any configured Service CIDR; please recreate service`,
                ),
              ]
            : []),
          ...(isHeldByOlder(ip)
            ? [
                warn(
                  'ClusterIPAlreadyAllocated',
                  `Cluster IP ${ip} was assigned to multiple services; please recreate service`,
                ),
              ]
            : []),
        ]),
        ...nodePortsOf(service)
          .filter((one) => isHeldByOlder(portKey(one)))
          .map(({ port }) =>
            warn('PortAlreadyAllocated', `Port ${port} was assigned to multiple services; please recreate service`),
          ),
      ],
    }
  },
}

/** Without any range nothing is said: they are not there yet. */
function isOutside(ip: string, view: View): boolean {
  const ranges = view.list<ServiceCIDR>(refs.serviceCidrs).flatMap(rangesOf)
  return ranges.length > 0 && !ranges.some((range) => rangeHas(range, ip))
}
