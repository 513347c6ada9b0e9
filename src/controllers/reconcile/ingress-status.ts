import { ownIngresses, servesIngress } from '../../api/ingress-class.ts'
import type { Ingress, IngressClass, Node } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { type Controller, keyOf, nothing, type Plan, splitKey, type View } from '../controller.ts'
import { addressOf, isReady } from './node-addresses.ts'
import { sameJson } from './same-json.ts'

/** Writes into the status of our Ingresses the addresses of the nodes that serve them. */
export const ingressStatusController: Controller = {
  name: 'ingress-status',
  watches: [
    { ref: refs.ingresses, keysOf: ({ namespace, name }) => [`${namespace}/${name}`] },
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
  const addresses = view
    .list<Node>(refs.nodes)
    .map(servingAddress)
    .filter((one) => one !== undefined)
  const wanted = addresses.toSorted().map((ip) => ({ ip }))
  if (sameJson(ingress.status?.loadBalancer?.ingress ?? [], wanted)) return nothing
  return {
    actions: [
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
