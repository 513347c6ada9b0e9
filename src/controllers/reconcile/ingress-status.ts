import { ownIngresses, servesIngress } from '../../api/ingress-class.ts'
import type { Ingress, IngressClass, Node, Service } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { poolConfigMap } from '../../api/load-balancer.ts'
import { type Controller, keyOf, nothing, type Plan, referenceTo, splitKey, type View } from '../controller.ts'
import { ingressPorts, nodesPortTaken, serviceAtIngressPorts } from './front-ports.ts'
import { addressOf, isReady } from './node-addresses.ts'
import { sameJson } from '../../lib/same-json.ts'
import { eventAction } from './workload.ts'

/**
 * Writes into the status of our Ingresses the addresses of the nodes that serve them: none while a LoadBalancer Service that
 * was there before has their ports.
 */
export const ingressStatusController: Controller = {
  name: 'ingress-status',
  watches: [
    { ref: refs.ingresses, keysOf: ({ namespace, name }) => [`${namespace}/${name}`] },
    {
      ref: refs.services,
      keysOf: ({ object, previous }, view) =>
        [object, previous].some((one) => (one as Service | undefined)?.spec?.type === 'LoadBalancer')
          ? allKeys(view)
          : [],
    },
    {
      ref: refs.configMaps,
      keysOf: ({ namespace, name }, view) =>
        namespace === poolConfigMap.namespace && name === poolConfigMap.name ? allKeys(view) : [],
    },
    { ref: refs.ingressClasses, keysOf: (_change, view) => allKeys(view) },
    {
      ref: refs.nodes,
      keysOf: ({ object, previous }, view) =>
        sameJson(servingAddress(object), servingAddress(previous)) ? [] : allKeys(view),
    },
  ],
  keys: allKeys,
  plan: planIngressStatus,
}

function allKeys(view: View): string[] {
  return view.list<Ingress>(refs.ingresses).map(keyOf)
}

function servingAddress(object: unknown): string | undefined {
  const node = object as Node | undefined
  return node && servesIngress(node) && isReady(node) ? addressOf(node) : undefined
}

function planIngressStatus(key: string, view: View): Plan {
  const { namespace, name } = splitKey(key)
  const ingress = view.get<Ingress>(refs.ingresses, namespace, name)
  if (!ingress || ownIngresses([ingress], view.list<IngressClass>(refs.ingressClasses)).length === 0) return nothing
  const rival = serviceAtIngressPorts(view)
  const addresses = rival
    ? []
    : view
        .list<Node>(refs.nodes)
        .map(servingAddress)
        .filter((one) => one !== undefined)
  const wanted = addresses.toSorted().map((ip) => ({ ip }))
  const told = rival
    ? [eventAction(referenceTo(ingress), 'Warning', 'IngressNotServed', nodesPortTaken(ingressPorts[0]!, rival))]
    : []
  if (sameJson(ingress.status?.loadBalancer?.ingress ?? [], wanted)) return { actions: told }
  return {
    actions: [
      ...told,
      {
        do: 'mutate',
        ref: refs.ingresses,
        namespace,
        name,
        uid: ingress.metadata.uid!,
        subresource: 'status',
        change: (current) => ({ ...current, status: { loadBalancer: { ingress: wanted } } }) as typeof current,
      },
    ],
  }
}
