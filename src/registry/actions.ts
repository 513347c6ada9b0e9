import type { Binding, Pod, TokenRequest } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { errors, fieldErrors } from '../api/status-error.ts'
import { must } from '../lib/assert.ts'
import type { Decoded } from '../schema/schema.ts'
import type { Deleter } from './deleter.ts'
import type { RegistryOptions } from './environment.ts'
import { deletionOf, reserveDisruption } from './eviction.ts'
import { timestamp } from './metadata.ts'
import type { Target, WriteOptions } from './options.ts'
import type { RequestContext } from './ports.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/** Subresources that one POSTs to: they do something to the object and store nothing of their own. */
export interface Actions {
  create(context: RequestContext, target: Target, body: Decoded, options: WriteOptions): Promise<KubeObject>
}

const success = { apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Success', code: 201 } as KubeObject

export function createActions(registry: RegistryOptions, reader: Reader, writer: Writer, deleter: Deleter): Actions {
  /** Assigns a pod to a node: a decision, so that no two schedulers ever both succeed. */
  async function bind(
    context: RequestContext,
    target: Target,
    binding: Binding,
    options: WriteOptions,
  ): Promise<KubeObject> {
    const node = binding.target?.name
    if (!node) {
      throw errors.invalid({ group: '', kind: 'Binding' }, target.name, [fieldErrors.required('target.name')])
    }
    await writer.change(
      context,
      target,
      {
        decided: true,
        next(current) {
          const pod = current as Pod & KubeObject
          if (pod.metadata.deletionTimestamp)
            throw errors.conflict(
              target.definition,
              target.name,
              `pod ${target.name} is being deleted, cannot be assigned to a host`,
            )
          if (pod.spec?.nodeName)
            throw errors.conflict(
              target.definition,
              target.name,
              `pod ${target.name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`,
            )
          if (pod.spec?.schedulingGates?.length)
            throw errors.conflict(
              target.definition,
              target.name,
              `pod ${target.name} has non-empty .spec.schedulingGates`,
            )
          pod.spec = { ...must(pod.spec, 'a pod has a spec'), nodeName: node }
          pod.metadata.annotations = merged(pod.metadata.annotations, binding.metadata.annotations)
          pod.metadata.labels = merged(pod.metadata.labels, binding.metadata.labels)
          const others = (pod.status?.conditions ?? []).filter((one) => one.type !== 'PodScheduled')
          const scheduled = {
            type: 'PodScheduled',
            status: 'True',
            lastTransitionTime: timestamp(registry.clock.nowMs()),
          }
          pod.status = { ...pod.status, conditions: [...others, scheduled] }
          return pod
        },
        preconditions: binding.metadata.uid ? { uid: binding.metadata.uid } : {},
      },
      options,
    )
    return success
  }

  async function evict(
    context: RequestContext,
    target: Target,
    eviction: KubeObject,
    options: WriteOptions,
  ): Promise<KubeObject> {
    const pod = (await reader.get({ ...target, subresource: '' })) as Pod & KubeObject
    const request = deletionOf(eviction)
    request.dryRun ||= options.dryRun === true
    await reserveDisruption(registry, pod, request.dryRun)
    if (!request.dryRun && pod.metadata.deletionTimestamp === undefined) await markDisrupted(context, target)
    await deleter.delete(context, { ...target, subresource: '' }, request)
    return success
  }

  /** Tells the owner (Job failure policies) that the pod did not fail by itself (KEP-3329). */
  async function markDisrupted(context: RequestContext, target: Target): Promise<void> {
    await writer.change(
      context,
      { ...target, subresource: 'status' },
      {
        next(current) {
          const pod = current as Pod & KubeObject
          const conditions = (pod.status?.conditions ?? []).filter((one) => one.type !== 'DisruptionTarget')
          const disrupted = {
            type: 'DisruptionTarget',
            status: 'True',
            reason: 'EvictionByEvictionAPI',
            message: 'Eviction API: evicting',
            lastTransitionTime: timestamp(registry.clock.nowMs()),
          }
          pod.status = { ...pod.status, conditions: [...conditions, disrupted] }
          return pod
        },
      },
      {},
    )
  }

  async function issueToken(target: Target, body: KubeObject): Promise<KubeObject> {
    if (!registry.issueToken) throw errors.unavailable('this server issues no service account tokens')
    body.apiVersion ??= 'authentication.k8s.io/v1'
    body.kind ??= 'TokenRequest'
    return (await registry.issueToken(target.namespace, target.name, body as TokenRequest)) as KubeObject
  }

  return {
    async create(context, target, body, options) {
      const object = body.value as KubeObject
      if (typeof object !== 'object' || object === null || Array.isArray(object))
        throw errors.badRequest('the body must be one object')
      object.metadata ??= {}
      const named = target.name === '' ? { ...target, name: object.metadata.name ?? '' } : target
      if (target.name !== '' && object.metadata.name !== undefined && object.metadata.name !== target.name) {
        throw errors.badRequest(`name in URL does not match name in ${object.kind} object`)
      }
      if (target.definition.resource === 'bindings') {
        const pods = must(registry.catalogue.find('', 'v1', 'pods'), 'pods are built in')
        return bind(context, { ...named, definition: pods, subresource: 'binding' }, object as Binding, options)
      }
      switch (target.subresource) {
        case 'binding':
          return bind(context, named, object as Binding, options)
        case 'eviction':
          return evict(context, named, object, options)
        case 'token':
          return issueToken(named, object)
        default:
          throw errors.methodNotAllowed('the server does not allow this method on the requested resource')
      }
    },
  }
}

const merged = (old: Record<string, string> | undefined, added: Record<string, string> | undefined) =>
  added === undefined ? old : { ...old, ...added }
