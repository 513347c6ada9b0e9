import type { KubeObject } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import { copyJson } from '../lib/copy-json.ts'
import { timestamp } from './metadata.ts'
import type { DeleteRequest, Target } from './options.ts'

/** What a DELETE comes to. Pure: the registry carries it out. */
export type Deletion =
  /** Gone at once. */
  | { action: 'remove' }
  /** Marked, and gone once its finalizers, or its grace with the kubelet, are over. */
  | { action: 'mark'; object: KubeObject }
  /** Already on its way; nothing to write. */
  | { action: 'wait' }

const orphanFinalizer = 'orphan'
const foregroundFinalizer = 'foregroundDeletion'

interface Pod extends KubeObject {
  spec?: { nodeName?: string; terminationGracePeriodSeconds?: number }
  status?: { phase?: string }
}

interface Namespace extends KubeObject {
  spec?: { finalizers?: string[] }
  status?: { phase?: string }
}

/** Decides what deleting `object` means now (apiserver registry/rest BeforeDelete and the store's finalizer rules). */
export function planDeletion(
  definition: ResourceDefinition,
  object: KubeObject,
  request: DeleteRequest,
  nowMs: number,
): Deletion {
  const grace = graceSeconds(definition, object, request)
  const finalizers = finalizersAfter(definition, object, request)
  const marked = object.metadata.deletionTimestamp !== undefined
  const blocked = finalizers.length > 0 || hasNamespaceFinalizers(definition, object)

  if (!blocked && (grace === 0 || grace === undefined)) return { action: 'remove' }
  const sameFinalizers = finalizers.join() === (object.metadata.finalizers ?? []).join()
  const until = nowMs + (grace ?? 0) * 1000
  // A second delete may only shorten what the first one granted.
  if (marked) {
    const shorter = grace !== undefined && grace < (object.metadata.deletionGracePeriodSeconds ?? 0)
    if (!shorter && sameFinalizers) return { action: 'wait' }
    const next = copyJson(object)
    setFinalizers(next, finalizers)
    if (shorter) {
      next.metadata.deletionGracePeriodSeconds = grace
      next.metadata.deletionTimestamp = timestamp(until)
    }
    return { action: 'mark', object: next }
  }
  const next = copyJson(object)
  next.metadata.deletionTimestamp = timestamp(until)
  next.metadata.deletionGracePeriodSeconds = grace ?? 0
  if (next.metadata.generation !== undefined) next.metadata.generation++
  setFinalizers(next, finalizers)
  if (isNamespace(definition)) (next as Namespace).status = { ...(next as Namespace).status, phase: 'Terminating' }
  return { action: 'mark', object: next }
}

/** True when an update has taken the last thing that kept a deleted object alive. */
export function isFinished(definition: ResourceDefinition, object: KubeObject): boolean {
  const { metadata } = object
  return (
    metadata.deletionTimestamp !== undefined &&
    (metadata.finalizers ?? []).length === 0 &&
    (metadata.deletionGracePeriodSeconds ?? 0) === 0 &&
    !hasNamespaceFinalizers(definition, object)
  )
}

/** Throws Conflict when the object is not the one that the caller means. */
export function checkPreconditions(target: Target, object: KubeObject, wanted: DeleteRequest['preconditions']): void {
  const { metadata } = object
  if (wanted?.uid !== undefined && wanted.uid !== metadata.uid) {
    throw errors.conflict(
      target.definition,
      metadata.name ?? '',
      `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${metadata.uid}`,
    )
  }
  if (wanted?.resourceVersion !== undefined && wanted.resourceVersion !== metadata.resourceVersion) {
    throw errors.conflict(
      target.definition,
      metadata.name ?? '',
      `Precondition failed: ResourceVersion in precondition: ${wanted.resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`,
    )
  }
}

/** undefined: the kind knows no grace. Only pods are ended by somebody (the kubelet) who needs time for it. */
function graceSeconds(definition: ResourceDefinition, object: KubeObject, request: DeleteRequest): number | undefined {
  if (definition.group !== '' || definition.resource !== 'pods') return undefined
  const pod = object as Pod
  const ended = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
  if (!pod.spec?.nodeName || ended) return 0
  const wanted = request.gracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30
  // Negative values, which old objects may hold, mean the shortest grace.
  return wanted < 0 ? 1 : wanted
}

function finalizersAfter(definition: ResourceDefinition, object: KubeObject, request: DeleteRequest): string[] {
  const policy = policyOf(definition, object, request)
  const kept = (object.metadata.finalizers ?? []).filter(
    (one) => one !== orphanFinalizer && one !== foregroundFinalizer,
  )
  if (policy === 'Orphan') return [...kept, orphanFinalizer]
  if (policy === 'Foreground') return [...kept, foregroundFinalizer]
  return kept
}

function policyOf(
  definition: ResourceDefinition,
  object: KubeObject,
  request: DeleteRequest,
): 'Foreground' | 'Background' | 'Orphan' {
  if (request.orphanDependents !== undefined) return request.orphanDependents ? 'Orphan' : 'Background'
  if (request.propagationPolicy) return request.propagationPolicy
  const finalizers = object.metadata.finalizers ?? []
  if (finalizers.includes(orphanFinalizer)) return 'Orphan'
  if (finalizers.includes(foregroundFinalizer)) return 'Foreground'
  // What these two kinds did before there was a choice, they do still.
  const orphans =
    (definition.group === '' && definition.resource === 'replicationcontrollers') ||
    (definition.group === 'batch' && definition.resource === 'jobs')
  return orphans ? 'Orphan' : 'Background'
}

function setFinalizers(object: KubeObject, finalizers: string[]): void {
  if (finalizers.length > 0) object.metadata.finalizers = finalizers
  else delete object.metadata.finalizers
}

const isNamespace = (definition: ResourceDefinition): boolean =>
  definition.group === '' && definition.resource === 'namespaces'

const hasNamespaceFinalizers = (definition: ResourceDefinition, object: KubeObject): boolean =>
  isNamespace(definition) && ((object as Namespace).spec?.finalizers ?? []).length > 0
