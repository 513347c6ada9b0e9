import { createHash } from 'node:crypto'
import type { LoadBalancerIngress, Node, Service } from '../../api/kinds.ts'
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
import { excludedFromLoadBalancers } from '../reconcile/node-addresses.ts'
import { sameJson } from '../../lib/same-json.ts'
import { eventAction, mutateAction, selfWatch } from '../reconcile/workload.ts'
import { fail, inOrder } from './actions.ts'
import { nodeBody, serviceBody } from './external-provider.ts'
import type { CloudProvider } from './provider.ts'
import { type ConnectProvider, externalClass, isProviderSecret, providerOf, providerSecret } from './provider-config.ts'

/** Upstream's: the Service stays until its load balancer is gone. */
const cleanupFinalizer = 'service.kubernetes.io/load-balancer-cleanup'

/** What the provider was last told of a Service, and said of it, in this term. */
interface Ensured {
  readonly service: string
  readonly nodes: string
  readonly ingress: readonly LoadBalancerIngress[]
}

/**
 * Has the user's provider make, change and remove the load balancers of Services that name no class or
 * `stormo.dev/external` (upstream's service controller). A new leader asks for each once more.
 */
export function externalLoadBalancerController(connect: ConnectProvider): Controller {
  const provider = providerOf(connect)
  /** By the uid of the Service. */
  const ensured = new Map<string, Ensured>()
  /** For whom a balancer was asked in this term, by key: a deletion that crossed our finalizer did not wait for it. */
  const asked = new Map<string, Service>()
  return {
    name: 'service',
    watches: [
      {
        ...selfWatch(refs.services),
        keysOf({ namespace, name, object, previous }) {
          if (!object && previous) ensured.delete(previous.metadata.uid ?? '')
          return [`${namespace}/${name}`]
        },
      },
      {
        ref: refs.nodes,
        keysOf: ({ object, previous }, view) =>
          sameJson(nodeFacts(object as Node | undefined), nodeFacts(previous as Node | undefined)) ? [] : allKeys(view),
      },
      {
        ref: refs.secrets,
        keysOf(change, view) {
          if (!isProviderSecret(change)) return []
          // It may be another provider.
          ensured.clear()
          return allKeys(view)
        },
      },
    ],
    keys: allKeys,
    plan(key, view) {
      const { namespace, name } = splitKey(key)
      const service = view.get<Service>(refs.services, namespace, name)
      const left = asked.get(key)
      if (left && left.metadata.uid !== service?.metadata.uid) return removeLeft(left, () => provider(view), asked)
      if (!service || !isOfOurClass(service)) return nothing
      const hasFinalizer = service.metadata.finalizers?.includes(cleanupFinalizer) ?? false
      const isWanted = service.spec?.type === 'LoadBalancer' && !service.metadata.deletionTimestamp
      if (!isWanted && !hasFinalizer) return nothing
      let cloud: CloudProvider | undefined
      try {
        cloud = provider(view)
      } catch (error) {
        return { actions: [failed(service, (error as Error).message)] }
      }
      if (!cloud?.features.has('load-balancers'))
        return hasFinalizer && !isWanted ? { actions: [unreachable(service)] } : nothing
      return isWanted
        ? planEnsure(service, view, cloud, ensured, asked)
        : { actions: [remove(service, cloud, ensured, asked)] }
    },
  }
}

const isOfOurClass = ({ spec }: Service): boolean =>
  spec?.loadBalancerClass === undefined || spec.loadBalancerClass === externalClass

const allKeys = (view: View): string[] =>
  view
    .list<Service>(refs.services)
    .filter((one) => one.spec?.type === 'LoadBalancer' || one.metadata.finalizers?.includes(cleanupFinalizer))
    .map(keyOf)

const nodeFacts = (node: Node | undefined): unknown => node && [isBalancedTo(node), nodeBody(node)]

/** Ready or not is the provider's to weigh: it checks their health itself (KEP-3458). */
const isBalancedTo = ({ metadata }: Node): boolean =>
  metadata.deletionTimestamp === undefined && metadata.labels?.[excludedFromLoadBalancers] === undefined

const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('base64')

/** The balancer of a Service that is gone already. Another one of its name has its turn after it. */
function removeLeft(service: Service, connected: () => CloudProvider | undefined, asked: Map<string, Service>): Plan {
  const removal: Action = {
    do: 'compute',
    async compute(signal) {
      if (!(await connected()?.deleteLoadBalancer(service, signal))) return [fail('the load balancer is being removed')]
      asked.delete(keyOf(service))
      return []
    },
  }
  return { actions: [removal], requeueAfterMs: 1 }
}

function planEnsure(
  service: Service,
  view: View,
  cloud: CloudProvider,
  ensured: Map<string, Ensured>,
  asked: Map<string, Service>,
): Plan {
  const uid = service.metadata.uid ?? ''
  const nodes = view
    .list<Node>(refs.nodes)
    .filter(isBalancedTo)
    .toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))
  const hashes = { service: hashOf(serviceBody(service)), nodes: hashOf(nodes.map(nodeBody)) }
  const known = ensured.get(uid)
  if (known?.service === hashes.service && known.nodes === hashes.nodes)
    return { actions: [...addFinalizer(service), ...writeIngress(service, known.ingress)] }
  const about = referenceTo(service)
  const isOnlyNodes = known?.service === hashes.service
  // Asked of the object itself, whatever this view says: what is made for a Service that is gone, nobody would remove.
  let isHeld = false
  const hold = mutateAction(refs.services, service, (current) => {
    if (current.metadata.deletionTimestamp) return undefined
    isHeld = true
    return withFinalizer(current)
  })
  const ensure: Action = {
    do: 'compute',
    async compute(signal) {
      ensured.delete(uid)
      if (!isHeld) return []
      asked.set(keyOf(service), service)
      let ingress: readonly LoadBalancerIngress[] | undefined
      try {
        ingress = await cloud.ensureLoadBalancer(service, nodes, signal)
      } catch (error) {
        signal.throwIfAborted()
        return [failed(service, `failed to ensure load balancer: ${(error as Error).message}`)]
      }
      if (ingress === undefined) return [fail('the load balancer has no address yet')]
      ensured.set(uid, { ...hashes, ingress })
      const done = isOnlyNodes
        ? eventAction(about, 'Normal', 'UpdatedLoadBalancer', 'Updated load balancer with new hosts')
        : eventAction(about, 'Normal', 'EnsuredLoadBalancer', 'Ensured load balancer')
      return [...writeIngress(service, ingress), done]
    },
  }
  const announce: Action[] = isOnlyNodes
    ? []
    : [eventAction(about, 'Normal', 'EnsuringLoadBalancer', 'Ensuring load balancer')]
  if (nodes.length === 0)
    announce.push(
      eventAction(about, 'Warning', 'UnAvailableLoadBalancer', 'There are no available nodes for LoadBalancer'),
    )
  return { actions: [{ ...hold, next: inOrder([...announce, ensure]) }] }
}

function remove(
  service: Service,
  cloud: CloudProvider,
  ensured: Map<string, Ensured>,
  asked: Map<string, Service>,
): Action {
  const about = referenceTo(service)
  return inOrder([
    eventAction(about, 'Normal', 'DeletingLoadBalancer', 'Deleting load balancer'),
    {
      do: 'compute',
      async compute(signal) {
        ensured.delete(service.metadata.uid ?? '')
        try {
          if (!(await cloud.deleteLoadBalancer(service, signal))) return [fail('the load balancer is being removed')]
        } catch (error) {
          signal.throwIfAborted()
          const { message } = error as Error
          const text = `Error deleting load balancer: ${message}`
          return [eventAction(about, 'Warning', 'DeleteLoadBalancerFailed', text), fail(message)]
        }
        asked.delete(keyOf(service))
        return [
          ...(service.metadata.deletionTimestamp ? [] : writeIngress(service, [])),
          removeFinalizer(service),
          eventAction(about, 'Normal', 'DeletedLoadBalancer', 'Deleted load balancer'),
        ]
      },
    },
  ])
}

const failed = (service: Service, message: string): Action =>
  inOrder([
    eventAction(referenceTo(service), 'Warning', 'SyncLoadBalancerFailed', `Error syncing load balancer: ${message}`),
    fail(message),
  ])

const unreachable = (service: Service): Action =>
  eventAction(
    referenceTo(service),
    'Warning',
    'DeleteLoadBalancerFailed',
    `Error deleting load balancer: no provider makes load balancers any more: create Secret ${providerSecret.namespace}/${providerSecret.name} again, or take away the finalizer ${cleanupFinalizer}`,
  )

const addFinalizer = (service: Service): Action[] =>
  withFinalizer(service) ? [mutateAction(refs.services, service, withFinalizer)] : []

function withFinalizer(service: Service): Service | undefined {
  const finalizers = service.metadata.finalizers ?? []
  if (finalizers.includes(cleanupFinalizer)) return undefined
  return { ...service, metadata: { ...service.metadata, finalizers: [...finalizers, cleanupFinalizer] } }
}

const removeFinalizer = (service: Service): Action =>
  mutateAction(refs.services, service, (current) => {
    const finalizers = (current.metadata.finalizers ?? []).filter((one) => one !== cleanupFinalizer)
    return { ...current, metadata: { ...current.metadata, finalizers } }
  })

function writeIngress(service: Service, ingress: readonly LoadBalancerIngress[]): Action[] {
  if (sameJson(service.status?.loadBalancer?.ingress ?? [], ingress)) return []
  const loadBalancer = ingress.length > 0 ? { ingress: [...ingress] } : {}
  return [
    mutateAction(
      refs.services,
      service,
      (current) => ({ ...current, status: { ...current.status, loadBalancer } }),
      'status',
    ),
  ]
}
