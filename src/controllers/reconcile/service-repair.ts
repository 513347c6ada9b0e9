import type { Service } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { parseCidr, parseIpv4 } from '../../decision/ipv4.ts'
import { type Action, type Controller, type Index, keyOf, nothing, referenceTo, splitKey } from '../controller.ts'
import { eventAction, selfWatch } from './workload.ts'

/** What a Service holds of the cluster's address space, as text: an address, or a port with its protocol. */
const holdings: Index = {
  name: 'service-holdings',
  valuesOf: (object) => [...addressesOf(object as Service), ...nodePortsOf(object as Service).map(portKey)],
}

const addressesOf = ({ spec }: Service): string[] =>
  spec?.type === 'ExternalName'
    ? []
    : [...new Set([spec?.clusterIP ?? '', ...(spec?.clusterIPs ?? [])])].filter((ip) => ip !== '' && ip !== 'None')

const nodePortsOf = ({ spec }: Service): { port: number; protocol: string }[] =>
  (spec?.ports ?? []).flatMap(({ nodePort, protocol = 'TCP' }) => (nodePort ? [{ port: nodePort, protocol }] : []))

const portKey = ({ port, protocol }: { port: number; protocol: string }): string => `${port}/${protocol}`

/**
 * Tells of Services whose addresses or node ports another one holds too, or that are outside of the cluster's range: made
 * before the range was changed, or restored from elsewhere. As upstream's ipallocator and portallocator repair, it takes
 * nothing away from anybody: the younger one is to be recreated. What nobody holds is taken back by the decision log.
 */
export function serviceRepairController(serviceCidr: string | undefined): Controller {
  const isOutside = outsideOf(serviceCidr)
  return {
    name: 'service-repair',
    watches: [selfWatch(refs.services)],
    keys: (view) => view.list<Service>(refs.services).map(keyOf),
    plan(key, view) {
      const { namespace, name } = splitKey(key)
      const service = view.get<Service>(refs.services, namespace, name)
      if (!service || service.metadata.deletionTimestamp) return nothing
      const isHeldByOlder = (value: string): boolean =>
        view.indexed<Service>(refs.services, holdings, value).some((other) => comesBefore(other, service))
      const warn = (reason: string, message: string): Action =>
        eventAction(referenceTo(service), 'Warning', reason, message)
      return {
        actions: [
          ...addressesOf(service).flatMap((ip) => [
            ...(isOutside(ip)
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
}

/** The one that was there first keeps what two hold. */
function comesBefore(a: Service, b: Service): boolean {
  if (a.metadata.uid === b.metadata.uid) return false
  const age = ({ metadata }: Service): string => `${metadata.creationTimestamp ?? ''} ${metadata.uid ?? ''}`
  return age(a) < age(b)
}

/** IPv6 addresses follow from the IPv4 ones, and are not looked at. */
function outsideOf(cidr: string | undefined): (ip: string) => boolean {
  if (cidr === undefined) return () => false
  const { first, size } = parseCidr(cidr)
  return (ip) => {
    if (ip.includes(':')) return false
    const offset = parseIpv4(ip) - first
    return offset < 0 || offset >= size
  }
}
