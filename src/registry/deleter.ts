import type { KubeObject } from '../api/object.ts'
import { errors, fieldErrors, isStatus } from '../api/status-error.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import { admissionAttributes, passOnWarnings } from './admission-attributes.ts'
import { convert, type RegistryOptions } from './environment.ts'
import { checkPreconditions, planDeletion } from './lifecycle.ts'
import { keyOf } from './metadata.ts'
import type { DeleteRequest, ListRequest, Target } from './options.ts'
import type { RequestContext } from './ports.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

const maxConflictRetries = 5

export interface Deleted {
  /** Last state, or the state with its deletionTimestamp. */
  object: KubeObject
  /** False while finalizers or the kubelet still hold it. */
  gone: boolean
}

export interface Deleter {
  delete(context: RequestContext, target: Target, request: DeleteRequest): Promise<Deleted>
  /** Every selected object, one after the other; the answer lists them as they were. */
  deleteCollection(
    context: RequestContext,
    target: Target,
    request: DeleteRequest,
    selection: ListRequest,
  ): Promise<KubeObject[]>
}

export function createDeleter(registry: RegistryOptions, reader: Reader, writer: Writer): Deleter {
  const { store, catalogue, admission, clock } = registry

  async function remove(context: RequestContext, target: Target, request: DeleteRequest): Promise<Deleted> {
    const { definition } = target
    const storage = catalogue.storage(definition)
    const key = keyOf(definition, target.namespace, target.name)
    if (request.orphanDependents !== undefined && request.propagationPolicy !== undefined) {
      throw errors.invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [
        fieldErrors.invalid(
          'propagationPolicy',
          request.propagationPolicy,
          'orphanDependents and deletionPropagation cannot be both set',
        ),
      ])
    }
    for (let attempt = 1; ; attempt++) {
      const stored = store.get(key)
      if (!stored) throw errors.notFound(definition, target.name)
      checkPreconditions(target, stored, request.preconditions)
      await admitDeletion(context, target, await convert(registry, stored, storage, definition), request)
      try {
        const { object, gone } = await removeOnce(context, storage, target, stored, request)
        return { object: await convert(registry, object, storage, definition), gone }
      } catch (error) {
        // What the caller asked of the object is asked anew.
        if (!isStatus(error, 'Conflict') || attempt >= maxConflictRetries) throw error
      }
    }
  }

  async function removeOnce(
    context: RequestContext,
    storage: ResourceDefinition,
    target: Target,
    stored: KubeObject,
    request: DeleteRequest,
  ): Promise<Deleted> {
    const plan = planDeletion(storage, stored, request, clock.nowMs())
    if (plan.action === 'wait') return { object: stored, gone: false }
    if (request.dryRun) {
      return plan.action === 'mark' ? { object: plan.object, gone: false } : { object: stored, gone: true }
    }
    const { preconditions } = request
    const base = {
      key: keyOf(storage, target.namespace, target.name),
      uid: stored.metadata.uid ?? '',
      decided: storage.decided || preconditions !== undefined,
      ...(preconditions?.resourceVersion === undefined ? {} : { resourceVersion: preconditions.resourceVersion }),
    }
    const { signal } = context
    if (plan.action === 'mark') {
      const object = await store.write({ op: 'update', ...base, base: stored, object: plan.object }, { signal })
      return { object, gone: false }
    }
    const object = await store.write({ op: 'delete', ...base, base: stored }, { signal })
    await writer.released(storage, stored)
    return { object, gone: true }
  }

  async function admitDeletion(
    context: RequestContext,
    target: Target,
    oldObject: KubeObject,
    request: DeleteRequest,
  ): Promise<void> {
    const main = { ...target, subresource: '' }
    const admitted = admissionAttributes(context, target.definition, main, 'DELETE', request, oldObject)
    await admission.mutate(admitted)
    await admission.validate(admitted)
    passOnWarnings(admitted, context)
  }

  return {
    delete: remove,
    async deleteCollection(context, target, request, selection) {
      const { items } = await reader.list(target, { ...selection, limit: undefined, continue: undefined })
      for (const item of items) {
        context.signal?.throwIfAborted()
        const one = { ...target, namespace: item.metadata.namespace ?? '', name: item.metadata.name ?? '' }
        try {
          await remove(context, one, request)
        } catch (error) {
          if (!isStatus(error, 'NotFound')) throw error
        }
      }
      return items
    },
  }
}
