import type { Node, NodeAddress } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { type Action, type Controller, keyOf, nothing, referenceTo, splitKey, type View } from '../controller.ts'
import { sameJson } from '../../lib/same-json.ts'
import { eventAction, mutateAction } from '../reconcile/workload.ts'
import type { Instance } from './provider.ts'
import { type ConnectProvider, isProviderSecret, providerOf } from './provider-config.ts'

/** A kubelet that is told `--cloud-provider external` registers with it; pods wait until the provider has spoken. */
export const uninitializedTaint = 'node.cloudprovider.kubernetes.io/uninitialized'
/** How often the provider is asked again what it knows of a node (upstream's --node-status-update-frequency). */
const refreshMs = 5 * 60_000
/** A node that the provider does not know yet may be known soon. */
const unknownMs = 60_000

/** Addresses that the machine reports itself, which are the ones that the pod network is made with. */
const ownAddressTypes = ['InternalIP', 'Hostname']

/** Initialises nodes with what the provider knows of their machines, and keeps it true (upstream's cloud-node). */
export function cloudNodeController(connect: ConnectProvider): Controller {
  const provider = providerOf(connect)
  /** By the uid of the node: when the provider is asked next. */
  const nextMs = new Map<string, number>()
  const allKeys = (view: View): string[] => view.list<Node>(refs.nodes).map(keyOf)
  return {
    name: 'cloud-node',
    watches: [
      {
        ref: refs.nodes,
        keysOf({ name, object, previous }) {
          if (!object && previous) nextMs.delete(previous.metadata.uid ?? '')
          return [`/${name}`]
        },
      },
      {
        ref: refs.secrets,
        keysOf(change, view) {
          if (!isProviderSecret(change)) return []
          nextMs.clear()
          return allKeys(view)
        },
      },
    ],
    keys: allKeys,
    plan(key, view, nowMs) {
      const node = view.get<Node>(refs.nodes, '', splitKey(key).name)
      const cloud = node && provider(view)
      if (!node || node.metadata.deletionTimestamp || !cloud?.features.has('instances')) return nothing
      const uid = node.metadata.uid ?? ''
      const leftMs = (nextMs.get(uid) ?? 0) - nowMs
      if (leftMs > 0) return { actions: [], requeueAfterMs: leftMs }
      const find: Action = {
        do: 'compute',
        async compute(signal) {
          const instance = await cloud.findInstance(node, signal)
          if (!instance && isUninitialized(node))
            throw new Error(`the provider knows no machine of node ${node.metadata.name}`)
          nextMs.set(uid, nowMs + (instance ? refreshMs : unknownMs))
          return instance ? adopt(node, instance) : []
        },
      }
      return { actions: [find], requeueAfterMs: refreshMs }
    },
  }
}

const isUninitialized = ({ spec }: Node): boolean =>
  spec?.taints?.some(({ key }) => key === uninitializedTaint) ?? false

function adopt(node: Node, instance: Instance): Action[] {
  const actions: Action[] = []
  const addresses = withForeign(node.status?.addresses ?? [], instance.addresses)
  if (!sameJson(addresses, node.status?.addresses ?? [])) {
    const change = (current: Node): Node => ({
      ...current,
      status: {
        ...current.status,
        addresses: withForeign(current.status?.addresses ?? [], instance.addresses),
      },
    })
    actions.push(mutateAction(refs.nodes, node, change, 'status'))
  }
  // The taint goes with the last write: what pods are placed by is there by then.
  if (!sameJson(initialised(node, instance), node)) {
    actions.push(mutateAction(refs.nodes, node, (current) => initialised(current, instance)))
    if (isUninitialized(node))
      actions.push(eventAction(referenceTo(node), 'Normal', 'Synced', 'Node synced successfully'))
  }
  return actions
}

const withForeign = (present: readonly NodeAddress[], told: readonly NodeAddress[]): NodeAddress[] => [
  ...present.filter(({ type }) => ownAddressTypes.includes(type)),
  ...told.filter(({ type }) => !ownAddressTypes.includes(type)),
]

function initialised(node: Node, instance: Instance): Node {
  const taints = node.spec?.taints?.filter(({ key }) => key !== uninitializedTaint)
  // What the administrator said of the machine beats what the provider says of it.
  const labels = { ...labelsOf(instance), ...node.metadata.labels }
  return {
    ...node,
    metadata: { ...node.metadata, labels },
    spec: {
      ...node.spec,
      // It may be written once.
      providerID: node.spec?.providerID || instance.providerId,
      ...(taints ? { taints: taints.length > 0 ? taints : undefined } : {}),
    },
  }
}

function labelsOf({ instanceType, zone, region, labels }: Instance): Record<string, string> {
  return {
    ...Object.fromEntries(Object.entries(labels).filter(([key]) => !/(^|\.)(kubernetes|k8s)\.io\//.test(key))),
    ...(instanceType
      ? { 'node.kubernetes.io/instance-type': instanceType, 'beta.kubernetes.io/instance-type': instanceType }
      : {}),
    ...(zone ? { 'topology.kubernetes.io/zone': zone, 'failure-domain.beta.kubernetes.io/zone': zone } : {}),
    ...(region ? { 'topology.kubernetes.io/region': region, 'failure-domain.beta.kubernetes.io/region': region } : {}),
  }
}
