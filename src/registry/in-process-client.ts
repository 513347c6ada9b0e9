import type { UserInfo } from '../api/kinds.ts'
import type { GroupResource, KubeObject } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import type { CallOptions, Client } from '../client/client.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import { requireAccess } from '../auth/forbidden.ts'
import { copyJson } from '../lib/copy-json.ts'
import { apiVersionOf } from './api-version.ts'
import type { Target, WriteOptions } from './options.ts'
import type { RequestContext } from './ports.ts'
import type { Registry } from './registry.ts'

/** The registry with a caller's identity, without HTTP: authorization and the whole pipeline as for anybody else. */
export function inProcessClient(registry: Registry, user: UserInfo, defaults: { fieldManager?: string } = {}): Client {
  const userAgent = defaults.fieldManager ?? user.username?.split(':').at(-1)

  function definitionOf(ref: GroupResource): ResourceDefinition {
    const definition = registry.catalogue.preferred(ref)
    if (!definition) throw errors.notFound(ref, '')
    return definition
  }

  /** Authorizes and says what the call is about. */
  async function begin(verb: string, ref: GroupResource, namespace: string, name: string, options: CallOptions = {}) {
    const definition = definitionOf(ref)
    const target: Target = {
      definition,
      namespace: definition.namespaced ? namespace : '',
      name,
      subresource: options.subresource ?? '',
    }
    requireAccess(registry.authorize, {
      user,
      verb,
      group: definition.group,
      version: definition.version,
      resource: definition.resource,
      subresource: target.subresource,
      namespace: target.namespace,
      name,
    })
    const context: RequestContext = { user, userAgent, signal: options.signal, warn: () => undefined }
    return { target, context, write: writeOptions(options) }
  }

  const body = (ref: GroupResource, object: KubeObject, subresource: string | undefined) => {
    const { group, version, kind } = definitionOf(ref)
    // Bodies of subresources such as Binding name a kind of their own.
    const typed = subresource === undefined || subresource === 'status'
    // Decoding changes its input, which is the caller's and may be frozen.
    const copy = copyJson(object)
    return { value: typed ? { ...copy, apiVersion: apiVersionOf({ group, version }), kind } : copy, strictErrors: [] }
  }

  return {
    async get<T extends KubeObject>(ref: GroupResource, namespace: string, name: string, options?: CallOptions) {
      const { target, context } = await begin('get', ref, namespace, name, options)
      return (await registry.get(context, target)) as T
    },
    async list<T extends KubeObject>(ref: GroupResource, options: Parameters<Client['list']>[1] = {}) {
      const { target, context } = await begin('list', ref, options.namespace ?? '', '', options)
      const { labelSelector, fieldSelector } = options
      const page = await registry.list(context, target, { labelSelector, fieldSelector })
      return { items: page.items as T[], resourceVersion: page.resourceVersion }
    },
    async create<T extends KubeObject>(ref: GroupResource, object: T, options?: CallOptions) {
      const name = options?.subresource === undefined ? '' : (object.metadata.name ?? '')
      const { target, context, write } = await begin('create', ref, object.metadata.namespace ?? '', name, options)
      return (await registry.create(context, target, body(ref, object, options?.subresource), write)) as T
    },
    async update<T extends KubeObject>(ref: GroupResource, object: T, options?: CallOptions) {
      const { namespace = '', name = '' } = object.metadata
      const { target, context, write } = await begin('update', ref, namespace, name, options)
      return (await registry.update(context, target, body(ref, object, options?.subresource), write)).object as T
    },
    async mutate<T extends KubeObject>(
      ref: GroupResource,
      namespace: string,
      name: string,
      change: (current: T) => T | undefined,
      options?: CallOptions,
    ) {
      const { target, context, write } = await begin('update', ref, namespace, name, options)
      return (await registry.mutate(context, target, (current) => change(current as T), write)) as T
    },
    async patch<T extends KubeObject>(
      ref: GroupResource,
      namespace: string,
      name: string,
      type: Parameters<Client['patch']>[3],
      patch: unknown,
      options?: CallOptions & { force?: boolean },
    ) {
      const { target, context, write } = await begin('patch', ref, namespace, name, options)
      const written =
        type === 'apply'
          ? await registry.apply(context, target, body(ref, patch as KubeObject, options?.subresource), {
              fieldManager: userAgent,
              ...write,
              force: options?.force,
            })
          : await registry.patch(context, target, { type, body: copyJson(patch) }, write)
      return written.object as T
    },
    async delete(ref, namespace, name, options = {}) {
      const { target, context } = await begin('delete', ref, namespace, name, options)
      const { gracePeriodSeconds, propagationPolicy, preconditions, dryRun } = options
      await registry.delete(context, target, { gracePeriodSeconds, propagationPolicy, preconditions, dryRun })
    },
  }
}

function writeOptions(options: CallOptions): WriteOptions {
  return {
    ...(options.dryRun === undefined ? {} : { dryRun: options.dryRun }),
    ...(options.fieldManager === undefined ? {} : { fieldManager: options.fieldManager }),
    fieldValidation: 'Ignore',
  }
}
