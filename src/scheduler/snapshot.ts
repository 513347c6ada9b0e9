import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { GroupResource } from '../api/object.ts'
import { watchCluster } from './cluster-watch.ts'
import { type Cluster, createCluster } from './framework/cluster.ts'
import { createSurroundings, csiDrivers, csiNodes, csiStorageCapacities } from './surroundings.ts'

/** Everything that decisions of the scheduler hang on. */
export const schedulingResources: readonly GroupResource[] = [
  refs.nodes,
  refs.pods,
  refs.namespaces,
  refs.services,
  refs.replicaSets,
  refs.replicationControllers,
  refs.statefulSets,
  refs.podDisruptionBudgets,
  refs.persistentVolumes,
  refs.persistentVolumeClaims,
  refs.storageClasses,
  csiNodes,
  csiDrivers,
  csiStorageCapacities,
]

/** The scheduler's picture of a cluster as it is now, to ask it what it would do. Changes to it are seen by nobody else. */
export function snapshotOf(informers: Informers): Cluster {
  const cluster = createCluster(createSurroundings(informers))
  watchCluster(informers, cluster, {
    onPod(pod) {
      const promised = pod.status?.nominatedNodeName
      if (promised && !pod.spec?.nodeName) cluster.nominate(pod, promised)
    },
    onEvent: () => undefined,
    isAssumed: () => false,
  })
  return cluster
}
