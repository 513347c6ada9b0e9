import type { Authorize } from '../api/authorizer.ts'
import type { KubeObject } from '../api/object.ts'
import { groupResourceName } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import { copyJson } from '../lib/copy-json.ts'
import type { Decoded } from '../schema/schema.ts'
import { createActions } from './actions.ts'
import type { Catalogue } from './catalogue.ts'
import { admitConnection } from './connect.ts'
import { createDeleter, type Deleted } from './deleter.ts'
import type { RegistryOptions } from './environment.ts'
import { decodeApplied, decodeBody, judgeStrictErrors } from './field-validation.ts'
import { keepLastApplied } from './last-applied.ts'
import type { DeleteRequest, ListRequest, PatchOptions, Target, WriteOptions } from './options.ts'
import type { Page } from './paging.ts'
import { patchObject, patchPreconditions, type Patch } from './patches.ts'
import type { RequestContext } from './ports.ts'
import { createReader } from './reader.ts'
import { createScaleView } from './scale-view.ts'
import type { WatchStream } from './watch-stream.ts'
import { createWriter, type Written } from './writer.ts'

/**
 * The API without its transport: verbs over targets. The caller has authenticated and authorized; everything after
 * that (decoding, defaults, admission, validation, the store) happens here. All methods throw StatusError.
 */
export interface Registry {
  readonly catalogue: Catalogue
  readonly authorize: Authorize
  get(context: RequestContext, target: Target): Promise<KubeObject>
  list(context: RequestContext, target: Target, request: ListRequest): Promise<Page>
  watch(context: RequestContext, target: Target, request: ListRequest): WatchStream
  /** A create of the resource, or of one of its action subresources (binding, eviction, token). */
  create(context: RequestContext, target: Target, body: Decoded, options: WriteOptions): Promise<KubeObject>
  /** Whether admission lets a connection (exec, attach, portforward, proxy) be made; throws when it does not. */
  connect(context: RequestContext, target: Target, options: KubeObject): Promise<void>
  /** PUT. */
  update(context: RequestContext, target: Target, body: Decoded, options: WriteOptions): Promise<Written>
  patch(context: RequestContext, target: Target, patch: Patch, options: PatchOptions): Promise<Written>
  /** Server-side apply; `body` is the applied configuration. */
  apply(context: RequestContext, target: Target, body: Decoded, options: PatchOptions): Promise<Written>
  /** Read-modify-write without a precondition, for in-process callers. */
  mutate(
    context: RequestContext,
    target: Target,
    change: (current: KubeObject) => KubeObject | undefined,
    options: WriteOptions,
  ): Promise<KubeObject>
  delete(context: RequestContext, target: Target, request: DeleteRequest): Promise<Deleted>
  deleteCollection(
    context: RequestContext,
    target: Target,
    request: DeleteRequest,
    selection: ListRequest,
  ): Promise<KubeObject[]>
}

// Upstream's strategies with AllowCreateOnUpdate: a PUT of something that is not there creates it.
const createdByUpdate = new Set([
  'events',
  'events.events.k8s.io',
  'endpoints',
  'limitranges',
  'services',
  'podtemplates',
  'leases.coordination.k8s.io',
  'roles.rbac.authorization.k8s.io',
  'rolebindings.rbac.authorization.k8s.io',
  'clusterroles.rbac.authorization.k8s.io',
  'clusterrolebindings.rbac.authorization.k8s.io',
])

export function createRegistry(options: RegistryOptions): Registry {
  const { catalogue, types, clock } = options
  const reader = createReader(options)
  const writer = createWriter(options)
  const deleter = createDeleter(options, reader, writer)
  const scale = createScaleView(options, reader, writer)
  const actions = createActions(options, reader, writer, deleter)

  async function update(context: RequestContext, target: Target, body: Decoded, write: WriteOptions): Promise<Written> {
    if (target.subresource === 'scale') return scale.update(context, target, body, write)
    const object = decodeBody(types, target.definition, body, write, context)
    const { resourceVersion, uid } = object.metadata
    delete object.metadata.resourceVersion
    const creates = target.subresource === '' && createdByUpdate.has(groupResourceName(target.definition))
    return writer.change(
      context,
      target,
      {
        next: () => object,
        preconditions: { ...(resourceVersion ? { resourceVersion } : {}), ...(uid ? { uid } : {}) },
        ...(creates ? { createInstead: () => copyJson(object) } : {}),
      },
      write,
    )
  }

  async function patch(context: RequestContext, target: Target, wanted: Patch, write: PatchOptions): Promise<Written> {
    if (target.subresource === 'scale') return scale.patch(context, target, wanted, write)
    const { definition } = target
    let judged = false
    return writer.change(
      context,
      target,
      {
        next(current) {
          const decoded = types.conform(definition, patchObject(types, definition, current, wanted))
          // A retry after a conflict would say the same again.
          if (!judged) {
            judgeStrictErrors(decoded.strictErrors, write, context, (list) =>
              errors.invalid(definition, target.name, [
                {
                  reason: 'FieldValueInvalid',
                  field: 'patch',
                  message: `Invalid value: ${JSON.stringify(JSON.stringify(wanted.body).slice(0, 500))}: strict decoding error: ${list}`,
                },
              ]),
            )
          }
          judged = true
          const next = decoded.value as KubeObject
          next.metadata ??= {}
          delete next.metadata.resourceVersion
          return next
        },
        preconditions: patchPreconditions(wanted),
      },
      write,
    )
  }

  async function apply(context: RequestContext, target: Target, body: Decoded, write: PatchOptions): Promise<Written> {
    if (target.subresource === 'scale') throw errors.badRequest('apply is not supported on the scale subresource')
    const { definition } = target
    if (!write.fieldManager) {
      throw errors.invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
        { reason: 'FieldValueRequired', field: 'fieldManager', message: 'Required value: is required for apply patch' },
      ])
    }
    const applied = decodeApplied(types, definition, body, write, context)
    if (applied.metadata.managedFields?.length) throw errors.badRequest('metadata.managedFields must be nil')
    applied.metadata.name ??= target.name
    if (definition.namespaced) applied.metadata.namespace ??= target.namespace
    const { resourceVersion, uid } = applied.metadata
    delete applied.metadata.resourceVersion
    const merge = (live: KubeObject | undefined) => {
      const merged = types.apply(definition, live, copyJson(applied), {
        manager: write.fieldManager ?? '',
        subresource: target.subresource,
        nowMs: clock.nowMs(),
        force: write.force === true,
      })
      if (live && target.subresource === '') keepLastApplied(merged, applied, write.fieldManager ?? '')
      return merged
    }
    return writer.change(
      context,
      target,
      {
        next: merge,
        managed: true,
        preconditions: { ...(resourceVersion ? { resourceVersion } : {}), ...(uid ? { uid } : {}) },
        ...(target.subresource === '' ? { createInstead: () => merge(undefined) } : {}),
      },
      write,
    )
  }

  const virtualReader = ({ definition }: Target) => options.virtualReaders?.get(groupResourceName(definition))

  return {
    catalogue,
    authorize: options.authorize,
    async get(context, target) {
      if (target.subresource === 'scale') return scale.get(target)
      const virtual = virtualReader(target)
      if (!virtual) return reader.get(target)
      const object = await virtual.get(target.namespace, target.name, context.signal)
      if (!object) throw errors.notFound(target.definition, target.name)
      return object
    },
    async list(context, target, request) {
      const virtual = virtualReader(target)
      if (!virtual) return reader.list(target, request)
      const items = await virtual.list(target.namespace, context.signal)
      return { items: reader.select(target, request, items), resourceVersion: '' }
    },
    watch: (context, target, request) => reader.watch(target, request, context.signal),
    create: async (context, target, body, write) => {
      const virtual = options.virtualResources?.[groupResourceName(target.definition)]
      if (virtual && target.subresource === '') {
        return virtual(decodeBody(types, target.definition, body, write, context), context, target)
      }
      if (target.subresource !== '' || target.definition.resource === 'bindings') {
        return actions.create(context, target, body, write)
      }
      return writer.create(context, target, body, write)
    },
    connect: (context, target, connection) => admitConnection(options.admission, context, target, connection),
    update,
    patch,
    apply,
    async mutate(context, target, change, write) {
      const { object } = await writer.change(context, target, { next: change }, write)
      return object
    },
    delete: (context, target, request) => deleter.delete(context, target, request),
    deleteCollection: (context, target, request, selection) =>
      deleter.deleteCollection(context, target, request, selection),
  }
}
