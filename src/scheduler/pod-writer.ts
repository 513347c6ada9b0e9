import type { Binding, PersistentVolumeClaim, Pod } from '../api/kinds.ts'
import { isStatus } from '../api/status-error.ts'
import { type Client, refs } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { PodInfo } from './framework/pod-info.ts'
import { claimName, isBound, type VolumeDecision, withClaim, withSelectedNode } from './plugins/volume-binding.ts'
import { podKey, podReference, preemptedCondition, type StatusChange, withStatus } from './pod-status.ts'
import type { LiveSurroundings } from './surroundings.ts'

export interface WriterContext {
  readonly client: Client
  readonly informers: Informers
  readonly events: EventRecorder
  readonly clock: Clock
  readonly logger: Logger
}

/** How long a pod waits for its volumes (upstream's BindTimeoutSeconds). */
const volumeTimeoutMs = 600_000

/** Assigns the pod to the node. Throws StatusError. */
export async function bindPod({ client, events }: WriterContext, pod: Pod, nodeName: string): Promise<void> {
  const { namespace, name, uid } = pod.metadata
  const binding: Binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { namespace, name, uid },
    target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
  }
  await client.create(refs.pods, binding, { subresource: 'binding' })
  events.event(podReference(pod), 'Normal', 'Scheduled', `Successfully assigned ${podKey(pod)} to ${nodeName}`)
}

/** Writes a condition or a nomination; a pod that is gone, bound or another one by now is left alone. Never throws. */
export async function writeStatus(context: WriterContext, pod: Pod, change: StatusChange): Promise<void> {
  const { namespace = '', name = '', uid } = pod.metadata
  const { client, clock, logger } = context
  const next = (current: Pod): Pod | undefined =>
    current.metadata.uid !== uid || current.spec?.nodeName ? undefined : withStatus(current, change, clock.nowMs())
  // What is stored already need not be asked for: retries of many pods would be as many reads.
  if (!next(pod)) return
  try {
    await client.mutate<Pod>(refs.pods, namespace, name, next, { subresource: 'status' })
  } catch (error) {
    if (!isStatus(error, 'NotFound'))
      logger.warn({ pod: podKey(pod), error: String(error) }, 'condition of the pod not written')
  }
}

/** Removes the victims of a preemption. One that fails is logged and does not keep the others; the pod tries again. */
export async function evictVictims(
  context: WriterContext,
  preemptor: Pod,
  scheduler: string,
  nodeName: string,
  victims: readonly PodInfo[],
): Promise<void> {
  const { client, clock, events, logger } = context
  await Promise.all(
    victims.map(async ({ pod: victim, isTerminating }) => {
      if (isTerminating) return
      const { namespace = '', name = '', uid } = victim.metadata
      const change = { condition: preemptedCondition(scheduler) }
      try {
        await client.mutate<Pod>(
          refs.pods,
          namespace,
          name,
          (current) => (current.metadata.uid === uid ? withStatus(current, change, clock.nowMs()) : undefined),
          { subresource: 'status' },
        )
        await client.delete(refs.pods, namespace, name, uid === undefined ? {} : { preconditions: { uid } })
        events.event(
          podReference(victim),
          'Normal',
          'Preempted',
          `Preempted by pod ${preemptor.metadata.uid} on node ${nodeName}`,
        )
      } catch (error) {
        if (!isStatus(error, 'NotFound'))
          logger.warn({ pod: podKey(victim), by: podKey(preemptor), error: String(error) }, 'victim not removed')
      }
    }),
  )
}

/**
 * Writes which volumes and which node the pod's claims are to have, and waits until they are bound. Throws when they
 * are not in time, when a provisioner gives the node back, or when the signal is aborted.
 */
export async function bindVolumes(
  context: WriterContext,
  surroundings: LiveSurroundings,
  decision: VolumeDecision,
  nodeName: string,
  signal: AbortSignal,
): Promise<void> {
  const { client } = context
  for (const { claim, volume } of decision.bindings) surroundings.promise(volume.metadata.name ?? '', claimName(claim))
  try {
    for (const { claim, volume } of decision.bindings) {
      const next = withClaim(volume, claim)
      if (next) await client.update(refs.persistentVolumes, next)
    }
    for (const { metadata } of decision.provisions)
      await client.mutate<PersistentVolumeClaim>(
        refs.persistentVolumeClaims,
        metadata.namespace ?? '',
        metadata.name ?? '',
        (current) => (current.metadata.uid === metadata.uid ? withSelectedNode(current, nodeName) : undefined),
      )
    await untilBound(context, [...decision.bindings.map(({ claim }) => claim), ...decision.provisions], signal)
  } finally {
    for (const { volume } of decision.bindings) surroundings.promise(volume.metadata.name ?? '', undefined)
  }
}

function untilBound(
  { informers, clock }: WriterContext,
  claims: readonly PersistentVolumeClaim[],
  signal: AbortSignal,
): Promise<void> {
  const informer = informers.for<PersistentVolumeClaim>(refs.persistentVolumeClaims)
  const missing = new Set(claims.map(claimName))
  return new Promise((resolve, reject) => {
    const look = (key: string, claim: PersistentVolumeClaim | undefined): void => {
      if (!claim) return finish(new Error(`persistentvolumeclaim "${key}" is gone`))
      if (isBound(claim)) missing.delete(key)
      if (missing.size === 0) finish()
    }
    const stop = informer.onChange(({ object, namespace, name }) => {
      const key = `${namespace}/${name}`
      if (missing.has(key)) look(key, object)
    })
    const deadline = clock.after(volumeTimeoutMs, () =>
      finish(new Error(`binding volumes: timed out waiting for ${[...missing].join(', ')}`)),
    )
    const abort = (): void => finish(new Error('the scheduler stops'))
    signal.addEventListener('abort', abort, { once: true })
    const finish = (error?: Error): void => {
      stop()
      deadline.cancel()
      signal.removeEventListener('abort', abort)
      if (error) reject(error)
      else resolve()
    }
    if (signal.aborted) return abort()
    for (const { metadata } of claims) {
      const { namespace = '', name = '' } = metadata
      look(`${namespace}/${name}`, informer.get(namespace, name))
    }
  })
}
