import { errors, isStatus } from '../api/status-error.ts'
import type { KubeObject } from '../api/object.ts'
import type { ResourceDefinition, Strategy } from '../kinds/definition.ts'
import { copyJson } from '../lib/copy-json.ts'
import type { Decoded } from '../schema/schema.ts'
import { convert, type RegistryOptions } from './environment.ts'
import { decodeBody } from './field-validation.ts'
import { establish } from './custom/establish.ts'
import { bumpGeneration, isSame, isCustom } from './generation.ts'
import { isFinished } from './lifecycle.ts'
import { alignWithUrl, generateName, initialMetadata, keepServerMetadata, keyOf } from './metadata.ts'
import type { Target, WriteOptions } from './options.ts'
import { admissionAttributes, passOnWarnings } from './admission-attributes.ts'
import type { RequestContext } from './ports.ts'
import { recordRequester } from './requester.ts'
import { familyErrors } from './service-families.ts'
import { allocateAddresses, carryOverAddresses, holdings, type Allocation } from './service-allocation.ts'

const maxConflictRetries = 5
const maxNameRetries = 8

/** One way to change an object; every mutating verb but create and delete is one. */
export interface Change {
  /** The next state in the version of the request, or undefined to leave it. May be called again after a conflict. */
  next(current: KubeObject): Promise<KubeObject | undefined> | KubeObject | undefined
  /** What the caller's body demands: makes the write decided (architecture §4). */
  preconditions?: { resourceVersion?: string; uid?: string }
  /** Forces the decided class without a version check. */
  decided?: boolean
  /** What to create when there is nothing to change. Without it a missing object is NotFound. */
  createInstead?: () => KubeObject
  /** `next` brings its managedFields (server-side apply). */
  managed?: boolean
}

export interface Written {
  object: KubeObject
  created: boolean
}

/** The one pipeline of every write (architecture §7). */
export interface Writer {
  create(context: RequestContext, target: Target, body: Decoded, options: WriteOptions): Promise<KubeObject>
  change(context: RequestContext, target: Target, change: Change, options: WriteOptions): Promise<Written>
  /** Gives back what a Service that is gone had held. Never throws. */
  released(definition: ResourceDefinition, object: KubeObject): Promise<void>
}

export function createWriter(registry: RegistryOptions): Writer {
  const { store, catalogue, types, admission, clock, random, log } = registry

  const isDualStack = registry.addresses?.secondFamily !== undefined

  async function create(
    context: RequestContext,
    target: Target,
    body: Decoded,
    options: WriteOptions,
  ): Promise<KubeObject> {
    return createObject(context, target, decodeBody(types, target.definition, body, options, context), options)
  }

  async function createObject(
    context: RequestContext,
    target: Target,
    object: KubeObject,
    options: WriteOptions,
    managed = false,
  ): Promise<KubeObject> {
    const { definition } = target
    alignWithUrl(object, target)
    const base = object.metadata.name ? undefined : object.metadata.generateName
    initialMetadata(object, definition, clock.nowMs(), random)
    for (let attempt = 1; ; attempt++) {
      // Only a name that may have to be made again needs the object as it was.
      const candidate = base ? copyJson(object) : object
      if (base) candidate.metadata.name = generateName(base, random)
      try {
        return await createOnce(context, target, candidate, options, managed)
      } catch (error) {
        // A generated name that is taken is nobody's fault: another one is tried (KEP-4420).
        if (!base || attempt >= maxNameRetries || !isStatus(error, 'AlreadyExists')) throw error
      }
    }
  }

  async function createOnce(
    context: RequestContext,
    target: Target,
    object: KubeObject,
    options: WriteOptions,
    managed: boolean,
  ): Promise<KubeObject> {
    const { definition } = target
    const storage = catalogue.storage(definition)
    types.applyDefaults(definition, object)
    const named = { ...target, name: object.metadata.name ?? '' }
    const request = admissionAttributes(context, definition, named, 'CREATE', options)
    request.object = object
    // Before admission, as upstream: what it adds belongs to nobody, so that no later apply takes it away.
    if (!managed || object.metadata.managedFields === undefined)
      track(definition, undefined, object, context, target, options)
    await admit(request, definition)
    const next = await toStorage(request.object, definition, storage)
    storage.strategy.prepareForCreate?.(next)
    recordRequester(storage, next, context.user)
    types.applyDefaults(storage, next)
    if (isService(storage)) carryOverAddresses(next, undefined, isDualStack)
    refuseInvalid(storage, next, [
      ...types.validate(storage, next, undefined),
      ...(isService(storage) ? familyErrors(next, undefined, isDualStack) : []),
      ...(storage.strategy.validate?.(next) ?? []),
    ])
    if (isCustomDefinition(storage)) establish(next, undefined, catalogue, clock.nowMs())
    types.checkPolicyTypes(storage, next, undefined, catalogue)
    for (const warning of storage.strategy.warnings?.(next) ?? []) context.warn(warning)
    request.object = await asRequested(next, storage, definition)
    await admission.validate(request)
    passOnWarnings(request, context)
    const key = keyOf(definition, target.namespace, next.metadata.name ?? '')
    if (options.dryRun) {
      if (store.get(key)) throw errors.alreadyExists(definition, key.name)
      return convert(registry, next, storage, definition)
    }
    const allocation = await allocate(storage, next, undefined)
    let stored: KubeObject
    try {
      stored = await store.write(
        { op: 'create', key, object: next, decided: storage.decided },
        { signal: context.signal },
      )
    } catch (error) {
      await allocation?.undo()
      throw error
    }
    await quietly(() => allocation?.commit())
    return convert(registry, stored, storage, definition)
  }

  async function change(
    context: RequestContext,
    target: Target,
    wanted: Change,
    options: WriteOptions,
  ): Promise<Written> {
    const key = keyOf(target.definition, target.namespace, target.name)
    for (let attempt = 1; ; attempt++) {
      const stored = store.get(key)
      try {
        if (stored) return { object: await changeOnce(context, target, stored, wanted, options), created: false }
        if (!wanted.createInstead) throw errors.notFound(target.definition, target.name)
        if (wanted.preconditions?.uid) {
          throw errors.conflict(
            target.definition,
            target.name,
            `Precondition failed: UID in precondition: ${wanted.preconditions.uid}, UID in object meta: `,
          )
        }
        const object = await createObject(context, target, wanted.createInstead(), options, wanted.managed)
        return { object, created: true }
      } catch (error) {
        const lostRace =
          isStatus(error, 'Conflict') && wanted.preconditions?.resourceVersion === undefined && !isPrecondition(error)
        const raced = lostRace || (!stored && isStatus(error, 'AlreadyExists'))
        if (!raced || attempt >= maxConflictRetries) throw error
      }
    }
  }

  async function changeOnce(
    context: RequestContext,
    target: Target,
    stored: KubeObject,
    wanted: Change,
    options: WriteOptions,
  ): Promise<KubeObject> {
    const { definition } = target
    const storage = catalogue.storage(definition)
    const current = await convert(registry, stored, storage, definition)
    const { resourceVersion, uid } = wanted.preconditions ?? {}
    if (uid !== undefined && uid !== stored.metadata.uid) {
      throw errors.conflict(
        definition,
        target.name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${stored.metadata.uid}`,
      )
    }
    if (resourceVersion !== undefined && resourceVersion !== stored.metadata.resourceVersion) {
      throw errors.conflict(
        definition,
        target.name,
        'the object has been modified; please apply your changes to the latest version and try again',
      )
    }
    const wish = await wanted.next(copyJson(current))
    if (wish === undefined) return current
    // An in-process caller may have built it of parts of frozen objects.
    const proposed = copyJson(wish)
    alignWithUrl(proposed, target)
    keepServerMetadata(proposed, current)
    types.applyDefaults(definition, proposed)
    const request = admissionAttributes(context, definition, target, 'UPDATE', options, current)
    request.object = proposed
    if (!wanted.managed) track(definition, current, request.object, context, target, options)
    await admit(request, definition)
    const next = await toStorage(request.object, definition, storage)
    const strategy = strategyOf(storage, target.subresource)
    if (isService(storage) && target.subresource === '') carryOverAddresses(next, stored, isDualStack)
    strategy.prepareForUpdate?.(next, stored)
    types.applyDefaults(storage, next)
    if (target.subresource !== 'status') bumpGeneration(storage, next, stored)
    refuseInvalid(storage, next, [
      ...types.validate(storage, next, stored),
      ...(isService(storage) && target.subresource === '' ? familyErrors(next, stored, isDualStack) : []),
      ...(strategy.validateUpdate?.(next, stored) ?? strategy.validate?.(next) ?? []),
    ])
    if (isCustomDefinition(storage) && target.subresource === '') establish(next, stored, catalogue, clock.nowMs())
    if (target.subresource === '') types.checkPolicyTypes(storage, next, stored, catalogue)
    for (const warning of strategy.warnings?.(next) ?? []) context.warn(warning)
    request.object = await asRequested(next, storage, definition)
    await admission.validate(request)
    passOnWarnings(request, context)
    next.metadata.resourceVersion = stored.metadata.resourceVersion
    if (isSame(next, stored)) return current
    if (options.dryRun) return convert(registry, next, storage, definition)
    return commit(context, definition, storage, target, stored, next, wanted)
  }

  /** Lets admission change the object. What webhooks add to a custom one is pruned as what clients send. */
  async function admit(request: Parameters<typeof admission.mutate>[0], definition: ResourceDefinition): Promise<void> {
    await admission.mutate(request)
    if (isCustom(definition)) types.conform(definition, request.object)
  }

  /** What admission made of the object, as it will be stored: free to be changed. */
  async function toStorage(
    object: KubeObject,
    definition: ResourceDefinition,
    storage: ResourceDefinition,
  ): Promise<KubeObject> {
    return definition === storage ? object : copyJson(await convert(registry, object, definition, storage))
  }

  /** What will be stored, as the request's version shows it: what those who only judge get to see. */
  async function asRequested(
    next: KubeObject,
    storage: ResourceDefinition,
    definition: ResourceDefinition,
  ): Promise<KubeObject> {
    return definition === storage ? next : convert(registry, next, storage, definition)
  }

  async function commit(
    context: RequestContext,
    definition: ResourceDefinition,
    storage: ResourceDefinition,
    target: Target,
    stored: KubeObject,
    next: KubeObject,
    wanted: Change,
  ): Promise<KubeObject> {
    const key = keyOf(definition, target.namespace, target.name)
    const { resourceVersion, uid } = wanted.preconditions ?? {}
    const decided = storage.decided || wanted.decided === true || resourceVersion !== undefined || uid !== undefined
    const base = {
      key,
      uid: stored.metadata.uid ?? '',
      decided,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    }
    const { signal } = context
    if (isFinished(storage, next)) {
      await store.write({ op: 'delete', ...base, base: stored }, { signal })
      await released(storage, stored)
      return convert(registry, next, storage, definition)
    }
    const allocation = target.subresource === '' ? await allocate(storage, next, stored) : undefined
    let written: KubeObject
    try {
      written = await store.write({ op: 'update', ...base, base: stored, object: next }, { signal })
    } catch (error) {
      await allocation?.undo()
      throw error
    }
    await quietly(() => allocation?.commit())
    return convert(registry, written, storage, definition)
  }

  async function allocate(
    storage: ResourceDefinition,
    next: KubeObject,
    old: KubeObject | undefined,
  ): Promise<Allocation | undefined> {
    if (!isService(storage) || !registry.addresses) return undefined
    return allocateAddresses(next, old, registry.addresses)
  }

  async function released(definition: ResourceDefinition, object: KubeObject): Promise<void> {
    const held = isService(definition) ? holdings(object, registry.addresses?.secondFamily) : undefined
    if (held && held.clusterIps.length + held.nodePorts.length > 0)
      await quietly(() => registry.addresses?.release(held))
  }

  /** Releases are decisions: without a leader they wait for the controller that sweeps what nobody holds. */
  async function quietly(run: () => Promise<void> | undefined): Promise<void> {
    try {
      await run()
    } catch (error) {
      log.warn({ error: String(error) }, 'service addresses were not released')
    }
  }

  function track(
    definition: ResourceDefinition,
    live: KubeObject | undefined,
    next: KubeObject,
    context: RequestContext,
    target: Target,
    options: WriteOptions,
  ): void {
    const managedFields = types.track(definition, live, next, {
      manager: options.fieldManager || context.userAgent || 'unknown',
      subresource: target.subresource,
      nowMs: clock.nowMs(),
    })
    if (managedFields === undefined || managedFields.length === 0) delete next.metadata.managedFields
    else next.metadata.managedFields = managedFields
  }

  return { create, change, released }
}

function refuseInvalid(
  definition: ResourceDefinition,
  object: KubeObject,
  causes: Parameters<typeof errors.invalid>[2],
): void {
  if (causes.length === 0) return
  throw errors.invalid(definition, object.metadata.name ?? object.metadata.generateName ?? '', causes)
}

/**
 * A subresource without a strategy of its own is written under the rules of the resource. A binding is the server's own
 * doing, across spec and status: no rule for users' updates applies to it.
 */
function strategyOf(definition: ResourceDefinition, subresource: string): Strategy {
  if (subresource === 'binding') return {}
  return (subresource === '' ? undefined : definition.subresourceStrategies[subresource]) ?? definition.strategy
}

const isService = (definition: ResourceDefinition): boolean =>
  definition.group === '' && definition.resource === 'services'

const isCustomDefinition = (definition: ResourceDefinition): boolean =>
  definition.group === 'apiextensions.k8s.io' && definition.resource === 'customresourcedefinitions'

const isPrecondition = (error: Error): boolean => error.message.includes('Precondition failed')
