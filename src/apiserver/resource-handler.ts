import type { KubeObject } from '../api/object.ts'
import { errors, StatusError } from '../api/status-error.ts'
import type { Clock } from '../lib/clock.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import type { Target } from '../registry/options.ts'
import type { Registry } from '../registry/registry.ts'
import type { Written } from '../registry/writer.ts'
import { answer } from './answer.ts'
import { mediaTypeOf, parseBody, readBody } from './body.ts'
import type { Codecs } from './codecs.ts'
import { header, type Exchange } from './exchange.ts'
import { negotiate } from './negotiation.ts'
import { deleteOptions, listOptions, writeOptions } from './query-options.ts'
import { listObject, project } from './view.ts'
import { serveWatch } from './watch-handler.ts'

export interface ResourceHandlerOptions {
  registry: Registry
  codecs: Codecs
  clock: Clock
}

/** Serves one request for a resource or one of its stored subresources. Throws StatusError. */
export type ResourceHandler = (exchange: Exchange, target: Target) => Promise<void>

const patchTypes: Readonly<Record<string, 'json' | 'merge' | 'strategic'>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
}
const applyType = 'application/apply-patch+yaml'

// Upstream answers a delete of these with the object itself, of others with a Status.
const deletesAnswerObject = new Set([
  'pods',
  'podtemplates',
  'services',
  'serviceaccounts',
  'persistentvolumes',
  'persistentvolumeclaims',
  'resourcequotas',
])

export function createResourceHandler({ registry, codecs, clock }: ResourceHandlerOptions): ResourceHandler {
  const body = async (exchange: Exchange) => {
    const decoded = parseBody(codecs, await readBody(exchange.request), header(exchange.request, 'content-type'))
    exchange.audit.request(decoded.value)
    return decoded
  }

  async function patch(exchange: Exchange, target: Target): Promise<Written> {
    const { request, url, context } = exchange
    const type = mediaTypeOf(header(request, 'content-type'))
    const options = writeOptions(url.searchParams)
    const text = (await readBody(request)).toString()
    if (type === applyType) {
      const applied = codecs.parseYaml(text)
      exchange.audit.request(applied.value)
      return registry.apply(context, target, applied, options)
    }
    if (options.force) {
      throw errors.invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
        {
          reason: 'FieldValueForbidden',
          field: 'force',
          message: 'Forbidden: may not be specified for non-apply patch',
        },
      ])
    }
    const known = patchTypes[type]
    if (!known) {
      throw new StatusError(
        'UnsupportedMediaType',
        `the body of the request was in an unknown format - accepted media types include: ${[...Object.keys(patchTypes), applyType].join(', ')}`,
      )
    }
    const decoded = codecs.parseJson(text)
    exchange.audit.request(decoded.value)
    if (options.fieldValidation !== 'Ignore') {
      if (options.fieldValidation === 'Strict' && decoded.strictErrors.length > 0) {
        throw errors.badRequest(`strict decoding error: ${decoded.strictErrors.join(', ')}`)
      }
      for (const warning of decoded.strictErrors) context.warn(warning)
    }
    return registry.patch(context, target, { type: known, body: decoded.value }, options)
  }

  async function remove(exchange: Exchange, target: Target): Promise<object> {
    const { context, url } = exchange
    const bytes = await readBody(exchange.request)
    const given =
      bytes.length === 0 ? undefined : parseBody(codecs, bytes, header(exchange.request, 'content-type')).value
    if (given !== undefined) exchange.audit.request(given)
    const request = deleteOptions(url.searchParams, given)
    if (target.name === '') {
      const items = await registry.deleteCollection(context, target, request, listOptions(url.searchParams))
      return listObject(target.definition, items, {})
    }
    const { object, gone } = await registry.delete(context, target, request)
    const { definition } = target
    if (!gone || (definition.group === '' && deletesAnswerObject.has(definition.resource))) return object
    return {
      apiVersion: 'v1',
      kind: 'Status',
      metadata: {},
      status: 'Success',
      details: {
        name: target.name,
        ...(definition.group ? { group: definition.group } : {}),
        kind: definition.resource,
        uid: object.metadata.uid,
      },
    }
  }

  /** What is never stored has neither a table nor metadata to show. */
  const wantedForm = (exchange: Exchange, definition: ResourceDefinition) =>
    negotiate(header(exchange.request, 'accept'), { transforms: definition.verbs.includes('get'), protobuf: true })

  async function send(exchange: Exchange, definition: ResourceDefinition, code: number, object: object): Promise<void> {
    const wanted = wantedForm(exchange, definition)
    const view = project(object as KubeObject, wanted, definition, exchange, clock.nowMs())
    await answer(codecs, exchange, code, view, wanted.format)
  }

  return async (exchange, target) => {
    const { info, url, context } = exchange
    const { definition } = target
    // Before anything is done: a write whose answer nobody can read is not carried out.
    if (info.verb !== 'watch') wantedForm(exchange, definition)
    switch (info.verb) {
      case 'get':
        return send(exchange, definition, 200, await registry.get(context, target))
      case 'list': {
        const page = await registry.list(context, target, listOptions(url.searchParams))
        const { items, ...metadata } = page
        return send(exchange, definition, 200, listObject(definition, items, metadata))
      }
      case 'watch':
        return serveWatch({ registry, codecs, clock }, exchange, target)
      case 'create': {
        const options = writeOptions(url.searchParams)
        const object = await registry.create(context, target, await body(exchange), options)
        return send(exchange, definition, 201, object)
      }
      case 'update': {
        const options = writeOptions(url.searchParams)
        const written = await registry.update(context, target, await body(exchange), options)
        return send(exchange, definition, written.created ? 201 : 200, written.object)
      }
      case 'patch': {
        const written = await patch(exchange, target)
        return send(exchange, definition, written.created ? 201 : 200, written.object)
      }
      case 'delete':
      case 'deletecollection':
        return send(exchange, definition, 200, await remove(exchange, target))
      default:
        throw errors.methodNotAllowed('the server does not allow this method on the requested resource')
    }
  }
}
