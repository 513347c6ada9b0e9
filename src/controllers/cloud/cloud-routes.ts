import type { Node, NodeCondition } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { type Action, type Controller, nothing, referenceTo, type View } from '../controller.ts'
import { addressOf } from '../reconcile/node-addresses.ts'
import { sameJson } from '../../lib/same-json.ts'
import { timestamp } from '../reconcile/timestamp.ts'
import { eventAction, mutateAction } from '../reconcile/workload.ts'
import { fail } from './actions.ts'
import type { CloudProvider, CloudRoute } from './provider.ts'
import { type ConnectProvider, isProviderSecret, providerOf } from './provider-config.ts'

/** There is one table of routes, and one key. */
const theTable = '/routes'
/** How often it is compared with what the nodes need, without a cause (upstream's --route-reconciliation-period is 10 s). */
const refreshMs = 60_000

/** Has the provider lay ways to the pods of every node, and says of each node whether it has them (upstream's route). */
export function cloudRouteController(connect: ConnectProvider): Controller {
  const provider = providerOf(connect)
  return {
    name: 'route',
    watches: [
      {
        ref: refs.nodes,
        keysOf: ({ object, previous }) =>
          sameJson(nodeFacts(object as Node | undefined), nodeFacts(previous as Node | undefined)) ? [] : [theTable],
      },
      { ref: refs.secrets, keysOf: (change) => (isProviderSecret(change) ? [theTable] : []) },
    ],
    keys: () => [theTable],
    plan(_key, view, nowMs) {
      const cloud = provider(view)
      if (!cloud?.features.has('routes')) return nothing
      const compute = (signal: AbortSignal): Promise<Action[]> => reconcile(cloud, view, nowMs, signal)
      return { actions: [{ do: 'compute', compute }], requeueAfterMs: refreshMs }
    },
  }
}

const nodeFacts = (node: Node | undefined): unknown =>
  node && [
    node.metadata.uid,
    node.spec?.podCIDRs,
    node.spec?.providerID,
    addressOf(node),
    networkCondition(node)?.status,
  ]

const networkCondition = ({ status }: Node): NodeCondition | undefined =>
  status?.conditions?.find(({ type }) => type === 'NetworkUnavailable')

const routesOf = ({ metadata, spec }: Node): CloudRoute[] =>
  (spec?.podCIDRs ?? []).map((destinationCidr) => ({
    name: `${metadata.name}-${destinationCidr.replaceAll(/[^0-9a-z]+/g, '-')}`,
    nodeName: metadata.name!,
    destinationCidr,
  }))

async function reconcile(cloud: CloudProvider, view: View, nowMs: number, signal: AbortSignal): Promise<Action[]> {
  const nodes = view.list<Node>(refs.nodes).filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  const present = new Map((await cloud.listRoutes(signal)).map((route) => [route.name, route]))
  const wanted = new Set(nodes.flatMap((node) => routesOf(node).map(({ name }) => name)))
  const actions: Action[] = []
  const failures: string[] = []
  for (const route of present.values()) {
    if (wanted.has(route.name)) continue
    await cloud.deleteRoute(route, signal).catch((error: unknown) => failures.push((error as Error).message))
  }
  for (const node of nodes) {
    let problem: string | undefined
    for (const route of routesOf(node)) {
      if (sameJson(present.get(route.name), route)) continue
      try {
        await cloud.ensureRoute(route, node, signal)
      } catch (error) {
        signal.throwIfAborted()
        problem = (error as Error).message
        actions.push(
          eventAction(
            referenceTo(node),
            'Warning',
            'FailedToCreateRoute',
            `Could not create route ${route.name} ${route.destinationCidr} for node ${route.nodeName}: ${problem}`,
          ),
        )
      }
    }
    if (problem !== undefined) failures.push(problem)
    actions.push(...setCondition(node, problem === undefined, nowMs))
  }
  // Last: what could be done is said before the table is looked at again.
  return failures.length > 0 ? [...actions, fail(failures[0]!)] : actions
}

function setCondition(node: Node, hasRoutes: boolean, nowMs: number): Action[] {
  const status = hasRoutes ? 'False' : 'True'
  if (networkCondition(node)?.status === status) return []
  const now = timestamp(nowMs)
  const condition: NodeCondition = {
    type: 'NetworkUnavailable',
    status,
    reason: hasRoutes ? 'RouteCreated' : 'NoRouteCreated',
    message: hasRoutes ? 'RouteController created a route' : 'RouteController failed to create a route',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  }
  const change = (current: Node): Node => {
    const others = (current.status?.conditions ?? []).filter(({ type }) => type !== condition.type)
    return { ...current, status: { ...current.status, conditions: [...others, condition] } }
  }
  return [mutateAction(refs.nodes, node, change, 'status')]
}
