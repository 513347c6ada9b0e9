import { daemonSetTraits } from './apps/daemon-set.ts'
import { deploymentTraits } from './apps/deployment.ts'
import { replicaSetTraits, replicationControllerTraits } from './apps/replica-set.ts'
import { statefulSetTraits } from './apps/stateful-set.ts'
import { leaseTraits } from './coordination/lease.ts'
import { configMapTraits, secretTraits, serviceAccountTraits } from './core/configuration.ts'
import { endpointsTraits, endpointSliceTraits } from './core/endpoints.ts'
import { coreEventTraits, eventTraits } from './core/event.ts'
import { namespaceTraits } from './core/namespace.ts'
import { nodeTraits } from './core/node.ts'
import { podTraits } from './core/pod/traits.ts'
import { serviceTraits } from './core/service/traits.ts'
import type { KindTraits } from './traits.ts'

/** Every kind that has something of its own to say. */
export const allTraits: readonly KindTraits[] = [
  podTraits,
  serviceTraits,
  nodeTraits,
  namespaceTraits,
  configMapTraits,
  secretTraits,
  serviceAccountTraits,
  endpointsTraits,
  endpointSliceTraits,
  coreEventTraits,
  eventTraits,
  leaseTraits,
  deploymentTraits,
  replicaSetTraits,
  replicationControllerTraits,
  statefulSetTraits,
  daemonSetTraits,
]
