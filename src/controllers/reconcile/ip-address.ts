import type { IPAddress, Service } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { type Action, type Controller, nothing, type Plan, referenceTo, splitKey, type View } from '../controller.ts'
import { byHolding, clusterIpsOf, isOlder } from './service-holdings.ts'
import { deleteAction, eventAction, mutateAction, selfWatch } from './workload.ts'

const familyLabel = 'ipaddress.kubernetes.io/ip-family'
const managedByLabel = 'ipaddress.kubernetes.io/managed-by'
/** Who manages the IPAddresses of Services: upstream's name, by which tools select them. */
const allocator = 'ipallocator.k8s.io'

/** Whether the IPAddress is that of a Service, or was; users make others for what they keep for themselves. */
export const isOfService = ({ metadata }: IPAddress): boolean => metadata.labels?.[managedByLabel] === allocator

/**
 * Keeps one IPAddress for each cluster IP (KEP-1880), with the Service as its parent. The addresses themselves are given
 * by the decision log; these objects only show them, so they follow the Services and never decide anything. As upstream's
 * repair loop, it mends what somebody changed or deleted.
 */
export const ipAddressController: Controller = {
  name: 'service-ip-address',
  watches: [
    selfWatch(refs.ipAddresses),
    {
      ref: refs.services,
      keysOf: ({ object, previous }) => {
        const before = clusterIpsOf((previous ?? { spec: {} }) as Service)
        const after = clusterIpsOf((object ?? { spec: {} }) as Service)
        return [...new Set([...before, ...after])].map(keyOfAddress)
      },
    },
  ],
  keys: (view) => [
    ...new Set(
      [
        ...view.list<Service>(refs.services).flatMap(clusterIpsOf),
        ...view
          .list<IPAddress>(refs.ipAddresses)
          .filter(isOfService)
          .map(({ metadata }) => metadata.name ?? ''),
      ].map(keyOfAddress),
    ),
  ],
  plan: planAddress,
}

const keyOfAddress = (ip: string): string => `/${ip}`

function planAddress(key: string, view: View): Plan {
  const { name: ip } = splitKey(key)
  const holder = holderOf(ip, view)
  const found = view.get<IPAddress>(refs.ipAddresses, '', ip)
  if (found?.metadata.deletionTimestamp) return nothing
  if (!holder) return found && isOfService(found) ? { actions: [deleteAction(refs.ipAddresses, found)] } : nothing
  const wanted = addressFor(holder, ip)
  if (!found) return { actions: [{ do: 'create', ref: refs.ipAddresses, object: wanted }] }
  if (!isParent(found, holder)) return { actions: replace(found, holder) }
  const labels = wanted.metadata.labels ?? {}
  if (Object.entries(labels).every(([label, value]) => found.metadata.labels?.[label] === value)) return nothing
  const change = (current: IPAddress) => {
    current.metadata.labels = { ...current.metadata.labels, ...labels }
    return current
  }
  return { actions: [mutateAction(refs.ipAddresses, found, change)] }
}

/** Of several the oldest; the others are told by the repair of Services. */
function holderOf(ip: string, view: View): Service | undefined {
  const [first, ...others] = view.indexed<Service>(refs.services, byHolding, ip)
  return first && others.reduce((oldest, one) => (isOlder(one, oldest) ? one : oldest), first)
}

function isParent({ spec }: IPAddress, { metadata }: Service): boolean {
  const { group = '', resource, namespace, name } = spec.parentRef ?? {}
  return group === '' && resource === 'services' && namespace === metadata.namespace && name === metadata.name
}

/** A parent cannot be changed: the next look makes it anew. */
function replace(found: IPAddress, holder: Service): Action[] {
  const { namespace, name } = holder.metadata
  const address = `[${familyOf(found.metadata.name ?? '')}]: ${found.metadata.name}`
  const message = `the ClusterIP ${address} for Service ${namespace}/${name} has a wrong reference; repairing`
  // A Service that was made anew under the address of another has done nothing that anybody should hear of.
  const told = isOfService(found)
    ? []
    : [eventAction(referenceTo(holder), 'Warning' as const, 'ClusterIPNotAllocated', message)]
  return [deleteAction(refs.ipAddresses, found), ...told]
}

function addressFor({ metadata }: Service, ip: string): IPAddress {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IPAddress',
    metadata: { name: ip, labels: { [familyLabel]: familyOf(ip), [managedByLabel]: allocator } },
    spec: {
      parentRef: { group: '', resource: 'services', namespace: metadata.namespace, name: metadata.name ?? '' },
    },
  }
}

const familyOf = (ip: string): 'IPv4' | 'IPv6' => (ip.includes(':') ? 'IPv6' : 'IPv4')
