import type { ReplicaSet, ReplicationController } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import type { Controller } from '../controller.ts'
import { replicator } from './replicator.ts'

/** Keeps as many pods as `spec.replicas` says (apps/v1 ReplicaSet). */
export const replicaSetController: Controller = replicator<ReplicaSet>({
  name: 'replicaset',
  ref: refs.replicaSets,
  kind: 'ReplicaSet',
  selectorOf: (set) => set.spec?.selector,
  countsTerminating: true,
})

/** The same for core/v1 ReplicationController, whose selector is a plain map. */
export const replicationControllerController: Controller = replicator<ReplicationController>({
  name: 'replicationcontroller',
  ref: refs.replicationControllers,
  kind: 'ReplicationController',
  selectorOf: ({ spec }) => ({ matchLabels: spec?.selector ?? {} }),
  countsTerminating: false,
})
