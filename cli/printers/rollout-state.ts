import type { DaemonSet, Deployment, StatefulSet } from '../../src/api/kinds.ts'
import { UsageError } from '../command.ts'

export interface RolloutState {
  message: string
  done: boolean
}

/** How far a rollout is, in kubectl's words. Throws UsageError when it has failed or there is nothing to wait for. */
export function rolloutState(object: Deployment | StatefulSet | DaemonSet): RolloutState {
  const { generation = 0, name = '' } = object.metadata
  const observed = object.status?.observedGeneration ?? 0
  switch (object.kind) {
    case 'Deployment':
      return observed < generation
        ? waiting('Waiting for deployment spec update to be observed...')
        : deploymentState(name, object as Deployment)
    case 'StatefulSet':
      return observed < generation
        ? waiting('Waiting for statefulset spec update to be observed...')
        : statefulSetState(object as StatefulSet)
    case 'DaemonSet':
      return observed < generation
        ? waiting('Waiting for daemon set spec update to be observed...')
        : daemonSetState(name, object as DaemonSet)
    default:
      throw new UsageError(`no rollout for ${object.kind}`)
  }
}

const waiting = (message: string): RolloutState => ({ message, done: false })

function deploymentState(name: string, { spec, status }: Deployment): RolloutState {
  const progressing = status?.conditions?.find((condition) => condition.type === 'Progressing')
  if (progressing?.reason === 'ProgressDeadlineExceeded')
    throw new UsageError(`deployment "${name}" exceeded its progress deadline`)
  const wanted = spec?.replicas ?? 1
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0 } = status ?? {}
  const prefix = `Waiting for deployment "${name}" rollout to finish:`
  if (updatedReplicas < wanted)
    return waiting(`${prefix} ${updatedReplicas} out of ${wanted} new replicas have been updated...`)
  if (replicas > updatedReplicas)
    return waiting(`${prefix} ${replicas - updatedReplicas} old replicas are pending termination...`)
  if (availableReplicas < updatedReplicas)
    return waiting(`${prefix} ${availableReplicas} of ${updatedReplicas} updated replicas are available...`)
  return { message: `deployment "${name}" successfully rolled out`, done: true }
}

function statefulSetState({ spec, status }: StatefulSet): RolloutState {
  if (spec?.updateStrategy?.type !== 'RollingUpdate')
    throw new UsageError('rollout status is only available for RollingUpdate strategy type')
  const wanted = spec.replicas ?? 1
  const { readyReplicas = 0, updatedReplicas = 0, currentRevision, updateRevision } = status ?? {}
  if (readyReplicas < wanted) return waiting(`Waiting for ${wanted - readyReplicas} pods to be ready...`)
  const partition = spec.updateStrategy.rollingUpdate?.partition ?? 0
  if (partition > 0) {
    if (updatedReplicas < wanted - partition)
      return waiting(
        `Waiting for partitioned roll out to finish: ${updatedReplicas} out of ${wanted - partition} new pods have been updated...`,
      )
    return { message: `partitioned roll out complete: ${updatedReplicas} new pods have been updated...`, done: true }
  }
  if (updateRevision !== currentRevision)
    return waiting(
      `waiting for statefulset rolling update to complete ${updatedReplicas} pods at revision ${updateRevision}...`,
    )
  return {
    message: `statefulset rolling update complete ${status?.currentReplicas ?? 0} pods at revision ${currentRevision}...`,
    done: true,
  }
}

function daemonSetState(name: string, { spec, status }: DaemonSet): RolloutState {
  if (spec?.updateStrategy?.type !== 'RollingUpdate')
    throw new UsageError('rollout status is only available for RollingUpdate strategy type')
  const { updatedNumberScheduled = 0, desiredNumberScheduled = 0, numberAvailable = 0 } = status ?? {}
  const prefix = `Waiting for daemon set "${name}" rollout to finish:`
  if (updatedNumberScheduled < desiredNumberScheduled)
    return waiting(`${prefix} ${updatedNumberScheduled} out of ${desiredNumberScheduled} new pods have been updated...`)
  if (numberAvailable < desiredNumberScheduled)
    return waiting(`${prefix} ${numberAvailable} of ${desiredNumberScheduled} updated pods are available...`)
  return { message: `daemon set "${name}" successfully rolled out`, done: true }
}
