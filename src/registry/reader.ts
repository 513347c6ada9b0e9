import type { KubeObject } from '../api/object.ts'
import { errors, fieldErrors, StatusError, type FieldError } from '../api/status-error.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import { convert, convertAll, mayDiffer, type RegistryOptions } from './environment.ts'
import { keyOf } from './metadata.ts'
import type { ListRequest, Target } from './options.ts'
import { must } from '../lib/assert.ts'
import { createPager, type Page, type Pager } from './paging.ts'
import { apiVersionOf } from './api-version.ts'
import { selectionOf, type Selection } from './selection.ts'
import { createWatchQueue, type Unjudged, type WatchEvent, type WatchQueue, type WatchStream } from './watch-stream.ts'

/** Every minute, as upstream's watch cache: a client that sleeps on a quiet kind still learns the newest version. */
const bookmarkIntervalMs = 60_000
const initialEventsEnd = 'k8s.io/initial-events-end'
/** The bits of a resourceVersion that name the node which gave it (architecture §3). */
const nodeNumberMask = 0xffffn

/** The reading verbs. Reads are local and never run backwards. */
export interface Reader {
  get(target: Target): Promise<KubeObject>
  list(target: Target, request: ListRequest): Promise<Page>
  watch(target: Target, request: ListRequest, signal?: AbortSignal): WatchStream
  /** Those of `items`, in the version of the request, that it selects. */
  select(target: Target, request: ListRequest, items: KubeObject[]): KubeObject[]
}

/** What reading needs of a registry. */
type ReaderOptions = Pick<RegistryOptions, 'store' | 'catalogue' | 'clock' | 'continueTtlMs' | 'convert'>

export function createReader(registry: ReaderOptions): Reader {
  const { store, catalogue, clock } = registry
  const pager: Pager = createPager(clock, registry.continueTtlMs)

  /** Those of the store's objects that the request selects: fields are looked for in the version that asks for them. */
  async function selected(target: Target, request: ListRequest, items: KubeObject[]): Promise<KubeObject[]> {
    const { definition } = target
    const storage = catalogue.storage(definition)
    const { common, fields } = selectionOf(definition, target, request)
    const alike = items.filter(common)
    if (!fields) return alike
    if (!mayDiffer(storage, definition)) return alike.filter(fields)
    const views = await convertAll(registry, alike, storage, definition)
    return alike.filter((_item, index) => fields(must(views[index], 'each has its view')))
  }

  function watch(target: Target, request: ListRequest, signal?: AbortSignal): WatchStream {
    refuseInvalidOptions(request, true)
    const { definition } = target
    const storage = catalogue.storage(definition)
    const ref = storage.storedAs ?? storage
    const { common, fields } = selectionOf(definition, target, request)
    // Fields of another version than the stored one are judged by who reads: conversion may call a webhook.
    const isJudgedLater = fields !== undefined && mayDiffer(storage, definition)
    const isSelected = (object: KubeObject) => common(object) && (isJudgedLater || !fields || fields(object))
    const queue = createWatchQueue<WatchEvent | Unjudged>(() => expiredEvent(request.resourceVersion ?? ''))
    const bookmark = (version: string, annotations?: Record<string, string>): WatchEvent => ({
      type: 'BOOKMARK',
      object: {
        apiVersion: apiVersionOf(definition),
        kind: definition.kind,
        metadata: { resourceVersion: version, ...(annotations ? { annotations } : {}) },
      },
    })

    const since = request.resourceVersion
    const fromNow = since === undefined || since === '' || since === '0' || request.sendInitialEvents === true
    if (request.sendInitialEvents === true) checkReachable(since)
    if (fromNow && request.sendInitialEvents !== false) {
      const list = store.list(ref, target.namespace || undefined)
      for (const object of list.items) {
        if (!isSelected(object)) continue
        queue.push(isJudgedLater ? { type: 'UNJUDGED', object, isGone: false } : { type: 'ADDED', object })
      }
      if (request.sendInitialEvents === true && request.allowWatchBookmarks === true) {
        queue.push(bookmark(list.resourceVersion, { [initialEventsEnd]: 'true' }))
      }
    }
    const subscription = store.watch(ref, fromNow ? undefined : since, (event) => {
      const isNow = event.type !== 'DELETED' && isSelected(event.object)
      const was = event.previous !== undefined && isSelected(event.previous)
      if (!isNow && !was) return
      if (isJudgedLater) {
        const { object, previous } = event
        const isGone = event.type === 'DELETED' || !isNow
        queue.push({ type: 'UNJUDGED', object, isGone, ...(was && previous ? { previous } : {}) })
      } else if (isNow) queue.push({ type: was ? 'MODIFIED' : 'ADDED', object: event.object })
      else
        queue.push({ type: 'DELETED', object: departed(event.previous ?? event.object, String(event.resourceVersion)) })
    })
    queue.onClose(() => subscription.close())

    if (request.timeoutSeconds !== undefined && request.timeoutSeconds > 0) {
      const timer = clock.after(request.timeoutSeconds * 1000, () => queue.finish())
      queue.onClose(() => timer.cancel())
    }
    if (request.allowWatchBookmarks === true) keepBookmarks(() => bookmark(String(store.currentVersion())))
    if (signal) {
      const end = () => queue.close()
      if (signal.aborted) end()
      signal.addEventListener('abort', end, { once: true })
      queue.onClose(() => signal.removeEventListener('abort', end))
    }

    function keepBookmarks(make: () => WatchEvent): void {
      let timer = clock.after(bookmarkIntervalMs, function send() {
        // Behind unread events a bookmark says nothing that they do not say.
        if (queue.idle) queue.push(make())
        timer = clock.after(bookmarkIntervalMs, send)
      })
      queue.onClose(() => timer.cancel())
    }

    return converted(queue, storage, definition, fields)
  }

  /** Conversion happens on the reading side: the store's callbacks are synchronous, webhooks are not. */
  function converted(
    queue: WatchQueue<WatchEvent | Unjudged>,
    storage: ResourceDefinition,
    definition: ResourceDefinition,
    fields: Selection['fields'],
  ): WatchStream {
    if (!mayDiffer(storage, definition)) return queue as WatchQueue<WatchEvent>
    const view = (object: KubeObject) => convert(registry, object, storage, definition)
    return {
      close: () => queue.close(),
      async *[Symbol.asyncIterator]() {
        for await (const event of queue) {
          if (event.type === 'ERROR' || event.type === 'BOOKMARK') yield event
          else if (event.type !== 'UNJUDGED') yield { ...event, object: await view(event.object) }
          else yield* await judged(event, view, must(fields, 'only fields are judged late'))
        }
      },
    }
  }

  /** Lists are cuts of now: a version that lies ahead, or was given by another node, cannot be promised. */
  function checkReachable(version: string | undefined): void {
    if (version === undefined || version === '' || version === '0') return
    const wanted = BigInt(version)
    const current = store.currentVersion()
    if ((wanted & nodeNumberMask) !== (current & nodeNumberMask)) {
      throw errors.expired(`The resourceVersion for the provided list is too old.`)
    }
    if (wanted > current) {
      throw new StatusError('Timeout', `Too large resource version: ${wanted}, current: ${current}`, {
        causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
        retryAfterSeconds: 1,
      })
    }
  }

  return {
    select(target, request, items) {
      const { common, fields } = selectionOf(target.definition, target, request)
      return items.filter((item) => common(item) && (!fields || fields(item)))
    },
    watch,
    async get(target) {
      const { definition } = target
      const stored = store.get(keyOf(definition, target.namespace, target.name))
      if (!stored) throw errors.notFound(definition, target.name)
      return convert(registry, stored, catalogue.storage(definition), definition)
    },
    async list(target, request) {
      refuseInvalidOptions(request, false)
      const { definition } = target
      const storage = catalogue.storage(definition)
      const cut = async () => {
        const list = store.list(storage.storedAs ?? storage, target.namespace || undefined)
        return { items: await selected(target, request, list.items), resourceVersion: list.resourceVersion }
      }
      const plain = !request.labelSelector && !request.fieldSelector
      let page: Page
      if (request.continue) page = await pager.next(request.continue, cut, request.limit ?? 0, plain)
      else {
        checkReachable(request.resourceVersion)
        const list = await cut()
        if (request.resourceVersionMatch === 'Exact' && request.resourceVersion !== list.resourceVersion) {
          throw errors.expired('The resourceVersion for the provided list is too old.')
        }
        page = pager.first(storage, list, request.limit ?? 0, plain)
      }
      if (!mayDiffer(storage, definition)) return page
      return { ...page, items: await convertAll(registry, page.items, storage, definition) }
    },
  }
}

/** What an event means to a watch whose fields are those of another version than the stored one. */
async function judged(
  { object, previous, isGone }: Unjudged,
  view: (object: KubeObject) => Promise<KubeObject>,
  fields: (object: KubeObject) => boolean,
): Promise<WatchEvent[]> {
  const now = isGone ? undefined : await view(object)
  const before = previous && (await view(previous))
  const was = before !== undefined && fields(before)
  if (now && fields(now)) return [{ type: was ? 'MODIFIED' : 'ADDED', object: now }]
  return was ? [{ type: 'DELETED', object: departed(before, object.metadata.resourceVersion ?? '') }] : []
}

/** The last selected state of an object that left the selection, at the version of the event that took it away. */
function departed(object: KubeObject, resourceVersion: string): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion } }
}

function expiredEvent(version: string): WatchEvent {
  return {
    type: 'ERROR',
    object: errors.expired(`too old resource version: ${version}: the watcher fell too far behind`).toStatus(),
  }
}

/** meta/internalversion/validation ValidateListOptions. Throws Invalid. */
function refuseInvalidOptions(request: ListRequest, watching: boolean): void {
  const causes: FieldError[] = []
  const { resourceVersion, resourceVersionMatch: match, sendInitialEvents } = request
  if (resourceVersion !== undefined && !/^\d{0,19}$/.test(resourceVersion)) {
    throw errors.badRequest(
      `Invalid value: ${JSON.stringify(resourceVersion)}: strconv.ParseUint: parsing ${JSON.stringify(resourceVersion)}: invalid syntax`,
    )
  }
  if (watching) {
    if (sendInitialEvents === undefined && match) {
      causes.push(
        fieldErrors.forbidden(
          'resourceVersionMatch',
          'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
        ),
      )
    }
    if (sendInitialEvents !== undefined) {
      if (!match)
        causes.push(
          fieldErrors.forbidden(
            'resourceVersionMatch',
            'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
          ),
        )
      else if (match !== 'NotOlderThan')
        causes.push(fieldErrors.notSupported('resourceVersionMatch', match, ['NotOlderThan']))
    }
  } else {
    if (sendInitialEvents !== undefined)
      causes.push(fieldErrors.forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'))
    if (match) {
      if (request.continue)
        causes.push(
          fieldErrors.forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'),
        )
      if (!resourceVersion)
        causes.push(
          fieldErrors.forbidden(
            'resourceVersionMatch',
            'resourceVersionMatch is forbidden unless resourceVersion is provided',
          ),
        )
      if (match !== 'Exact' && match !== 'NotOlderThan')
        causes.push(fieldErrors.notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan']))
      if (match === 'Exact' && resourceVersion === '0') {
        causes.push(
          fieldErrors.forbidden(
            'resourceVersionMatch',
            'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
          ),
        )
      }
    }
    if (request.continue && resourceVersion && resourceVersion !== '0') {
      throw errors.badRequest('specifying resource version is not allowed when using continue')
    }
  }
  if (causes.length > 0) throw errors.invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', causes)
}
