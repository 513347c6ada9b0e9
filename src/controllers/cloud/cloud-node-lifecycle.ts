import type { Node, Taint } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { type Action, type Controller, keyOf, nothing, referenceTo, splitKey, type View } from '../controller.ts'
import { isReady } from '../reconcile/node-addresses.ts'
import { timestamp } from '../reconcile/timestamp.ts'
import { deleteAction, eventAction, mutateAction, selfWatch } from '../reconcile/workload.ts'
import { type ConnectProvider, isProviderSecret, providerOf } from './provider-config.ts'

const shutdownTaint = 'node.cloudprovider.kubernetes.io/shutdown'
/** How often the provider is asked of a node that is not ready (upstream's --node-monitor-period). */
const monitorMs = 5000

/**
 * Asks the provider what became of machines that are not ready: Nodes of those that are gone are deleted, those that are
 * switched off are tainted (upstream's cloud-node-lifecycle). Machines that the provider never knew are left alone.
 */
export function cloudNodeLifecycleController(connect: ConnectProvider): Controller {
  const provider = providerOf(connect)
  const allKeys = (view: View): string[] => view.list<Node>(refs.nodes).map(keyOf)
  return {
    name: 'cloud-node-lifecycle',
    watches: [
      selfWatch(refs.nodes),
      { ref: refs.secrets, keysOf: (change, view) => (isProviderSecret(change) ? allKeys(view) : []) },
    ],
    keys: allKeys,
    plan(key, view, nowMs) {
      const node = view.get<Node>(refs.nodes, '', splitKey(key).name)
      const cloud = node && provider(view)
      if (!node?.spec?.providerID || node.metadata.deletionTimestamp || !cloud?.features.has('instances'))
        return nothing
      if (isReady(node)) return { actions: setShutdown(node, false, nowMs) }
      const ask: Action = {
        do: 'compute',
        async compute(signal) {
          const instance = await cloud.findInstance(node, signal)
          return instance ? setShutdown(node, instance.isShutdown, nowMs) : vanished(node)
        },
      }
      return { actions: [ask], requeueAfterMs: monitorMs }
    },
  }
}

const vanished = (node: Node): Action[] => [
  eventAction(
    referenceTo(node),
    'Normal',
    'DeletingNode',
    `Deleting node ${node.metadata.name} because it does not exist in the cloud provider`,
  ),
  deleteAction(refs.nodes, node),
]

function setShutdown(node: Node, isShutdown: boolean, nowMs: number): Action[] {
  const isTainted = node.spec?.taints?.some(({ key }) => key === shutdownTaint) ?? false
  if (isTainted === isShutdown) return []
  const taint: Taint = { key: shutdownTaint, effect: 'NoSchedule', timeAdded: timestamp(nowMs) }
  const change = (current: Node): Node => {
    const others = (current.spec?.taints ?? []).filter(({ key }) => key !== shutdownTaint)
    const taints = isShutdown ? [...others, taint] : others
    return { ...current, spec: { ...current.spec, taints: taints.length > 0 ? taints : undefined } }
  }
  return [mutateAction(refs.nodes, node, change)]
}
