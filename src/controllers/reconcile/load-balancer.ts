import type { EndpointSlice, Ingress, LoadBalancerIngress, Node, Service } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import {
  type Action,
  type Controller,
  keyOf,
  nothing,
  type Plan,
  referenceTo,
  splitKey,
  type View,
} from '../controller.ts'
import { isProviderSecret } from '../cloud/provider-config.ts'
import { announcerAnnotation, poolConfigMap } from '../../api/load-balancer.ts'
import { type AddressBits, bitsOf, parseAddress } from '../../lib/ip-address.ts'
import { serviceNameLabel } from '../../api/endpoint-slice.ts'
import {
  ingressBefore,
  ingressPorts,
  isOlderService,
  isOurLoadBalancer,
  nodesPortTaken,
  poolText,
  servicePorts,
} from './front-ports.ts'
import { type AddressPool, parseAddressPool } from './load-balancer-pool.ts'
import { addressOf, excludedFromLoadBalancers, isReady } from './node-addresses.ts'
import { sameJson } from '../../lib/same-json.ts'
import { labelled } from './workload.ts'

/**
 * Gives LoadBalancer Services their addresses. With a pool (ConfigMap kube-system/load-balancer) each gets one of its
 * own, which one node announces; without, they get those of the nodes, where the older Service has a port that two want.
 */
export const loadBalancerController: Controller = {
  name: 'service-lb',
  watches: [
    { ref: refs.services, keysOf: (_change, view) => allKeys(view) },
    {
      ref: refs.nodes,
      keysOf: ({ object, previous }, view) =>
        sameJson(nodeFacts(object as Node | undefined), nodeFacts(previous as Node | undefined)) ? [] : allKeys(view),
    },
    {
      ref: refs.configMaps,
      keysOf: ({ namespace, name }, view) =>
        namespace === poolConfigMap.namespace && name === poolConfigMap.name ? allKeys(view) : [],
    },
    { ref: refs.secrets, keysOf: (change, view) => (isProviderSecret(change) ? allKeys(view) : []) },
    { ref: refs.ingresses, keysOf: (_change, view) => allKeys(view) },
    { ref: refs.ingressClasses, keysOf: (_change, view) => allKeys(view) },
    {
      ref: refs.endpointSlices,
      keysOf: ({ object, previous, namespace }, view) => {
        const name = (object ?? previous)?.metadata.labels?.[serviceNameLabel] ?? ''
        const service = view.get<Service>(refs.services, namespace, name)
        return service && isOurLoadBalancer(service, view) && service.spec?.externalTrafficPolicy === 'Local'
          ? [keyOf(service)]
          : []
      },
    },
  ],
  keys: allKeys,
  plan: planLoadBalancer,
}

function allKeys(view: View): string[] {
  // Those that are ours no longer, too: their addresses have to be taken back.
  return view
    .list<Service>(refs.services)
    .filter(
      (one) =>
        isOurLoadBalancer(one, view) ||
        one.metadata.annotations?.[announcerAnnotation] !== undefined ||
        hasAddress(one),
    )
    .map(keyOf)
}

const hasAddress = ({ status }: Service): boolean => (status?.loadBalancer?.ingress ?? []).length > 0

const nodeFacts = (node: Node | undefined): unknown =>
  node && [isReady(node), addressOf(node, 32), addressOf(node, 128), node.metadata.labels?.[excludedFromLoadBalancers]]

function planLoadBalancer(key: string, view: View): Plan {
  const { namespace, name } = splitKey(key)
  const service = view.get<Service>(refs.services, namespace, name)
  if (!service) return nothing
  if (!isOurLoadBalancer(service, view)) {
    const isForeign = service.spec?.type === 'LoadBalancer'
    const addresses = isForeign ? (service.status?.loadBalancer?.ingress ?? []) : []
    return { actions: write(service, { addresses, announcer: undefined }) }
  }
  const text = poolText(view)
  const { pool, problem } = parseAddressPool(text ?? '')
  const older = view
    .list<Service>(refs.services)
    .filter((one) => isOurLoadBalancer(one, view) && isOlderService(one, service))
    .toSorted((a, b) => (isOlderService(a, b) ? -1 : 1))
  const nodes = eligibleNodes(service, view)
  const wanted = text === undefined ? fromNodes(service, older, nodes, view) : fromPool(service, older, pool, nodes)
  const actions = write(service, wanted)
  const complaint = problem ?? wanted.problem
  if (complaint !== undefined && (actions.length > 0 || !hasAddress(service))) {
    actions.push({
      do: 'event',
      about: referenceTo(service),
      type: 'Warning',
      reason: 'SyncLoadBalancerFailed',
      message: `Error syncing load balancer: ${complaint}`,
    })
  }
  return { actions }
}

interface Wanted {
  readonly addresses: readonly LoadBalancerIngress[]
  /** The node that answers for an address of the pool. */
  readonly announcer: string | undefined
  readonly problem?: string
}

/** Nodes that may take a service's traffic: Ready, not excluded, and under policy Local with an endpoint of it. */
function eligibleNodes(service: Service, view: View): Node[] {
  const ready = view
    .list<Node>(refs.nodes)
    .filter((node) => isReady(node) && node.metadata.labels?.[excludedFromLoadBalancers] === undefined)
    .toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))
  if (service.spec?.externalTrafficPolicy !== 'Local') return ready
  const withEndpoint = new Set(
    labelled<EndpointSlice>(view, refs.endpointSlices, service.metadata.namespace, {
      [serviceNameLabel]: service.metadata.name!,
    })
      .flatMap((slice) => slice.endpoints ?? [])
      .filter((endpoint) => endpoint.conditions?.ready !== false)
      .map((endpoint) => endpoint.nodeName),
  )
  return ready.filter((node) => withEndpoint.has(node.metadata.name))
}

function fromNodes(service: Service, older: readonly Service[], nodes: readonly Node[], view: View): Wanted {
  const taken = new Map<string, Service | Ingress>(
    older.flatMap((one) => servicePorts(one).map((port): [string, Service] => [port, one])),
  )
  const ingress = ingressBefore(service, view)
  if (ingress) for (const port of ingressPorts) taken.set(port, ingress)
  for (const port of servicePorts(service)) {
    const by = taken.get(port)
    if (by) return { addresses: [], announcer: undefined, problem: nodesPortTaken(port, by) }
  }
  const addresses = familiesOf(service)
    .flatMap((bits) => nodes.map((node) => addressOf(node, bits)))
    .filter((one) => one !== undefined)
  return { addresses: addresses.map((ip) => ({ ip, ipMode: 'VIP' })), announcer: undefined }
}

/** The families of its cluster IPs, the first one first. */
const familiesOf = ({ spec }: Service): AddressBits[] =>
  (spec?.ipFamilies ?? ['IPv4']).map((family) => (family === 'IPv6' ? 128 : 32))

/** One address of each of its families, as far as the pool has them; `loadBalancerIP` names that of its own. */
function fromPool(service: Service, older: readonly Service[], pool: AddressPool, nodes: readonly Node[]): Wanted {
  const taken = new Set(older.flatMap((one) => (one.status?.loadBalancer?.ingress ?? []).map((each) => each.ip ?? '')))
  const present = (service.status?.loadBalancer?.ingress ?? []).map((one) => one.ip ?? '')
  const asked = service.spec?.loadBalancerIP
  const isFree = (ip: string): boolean => pool.has(ip) && !taken.has(ip)
  const addressIn = (bits: AddressBits): string | undefined => {
    if (asked && bitsOf(asked) === bits) return isFree(asked) ? asked : undefined
    return present.find((ip) => ip !== '' && bitsOf(ip) === bits && isFree(ip)) ?? pool.first(bits, isFree)
  }
  const families = familiesOf(service)
  const found = families.map(addressIn).filter((ip) => ip !== undefined)
  const [first] = found
  const isShort = found.length < families.length && service.spec?.ipFamilyPolicy === 'RequireDualStack'
  const problem = asked
    ? `address ${asked} is not free in the pool`
    : isShort && first !== undefined
      ? 'the pool has no free address of one of the families'
      : 'the pool has no free address'
  const isWrong = first === undefined || isShort || (asked !== undefined && asked !== '' && !found.includes(asked))
  return {
    addresses: found.map((ip) => ({ ip, ipMode: 'VIP' })),
    announcer: first === undefined ? undefined : announcerOf(service, first, nodes),
    ...(isWrong ? { problem } : {}),
  }
}

/** Who announces stays who it is while it can; else addresses are spread over the nodes by number. */
function announcerOf(service: Service, ip: string, nodes: readonly Node[]): string | undefined {
  const present = service.metadata.annotations?.[announcerAnnotation]
  if (nodes.some((node) => node.metadata.name === present)) return present
  const place = (parseAddress(ip, bitsOf(ip)) ?? 0n) % BigInt(Math.max(1, nodes.length))
  return nodes[Number(place)]?.metadata.name
}

function write(service: Service, { addresses, announcer }: Wanted): Action[] {
  const { namespace = '', name = '', uid = '', annotations } = service.metadata
  const of = { ref: refs.services, namespace, name, uid }
  const actions: Action[] = []
  if (!sameJson(service.status?.loadBalancer?.ingress ?? [], addresses)) {
    actions.push({
      do: 'mutate',
      ...of,
      subresource: 'status',
      change: (current) =>
        ({
          ...current,
          status: { ...(current as Service).status, loadBalancer: addresses.length > 0 ? { ingress: addresses } : {} },
        }) as typeof current,
    })
  }
  if (annotations?.[announcerAnnotation] !== announcer) {
    actions.push({
      do: 'mutate',
      ...of,
      change(current) {
        const { [announcerAnnotation]: _before, ...others } = current.metadata.annotations ?? {}
        const changed = announcer === undefined ? others : { ...others, [announcerAnnotation]: announcer }
        return { ...current, metadata: { ...current.metadata, annotations: changed } }
      },
    })
  }
  return actions
}
