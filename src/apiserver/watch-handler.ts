import { once } from 'node:events'
import type { KubeObject } from '../api/object.ts'
import { isStatus, type StatusError } from '../api/status-error.ts'
import type { Clock } from '../lib/clock.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import type { Registry } from '../registry/registry.ts'
import type { Target } from '../registry/options.ts'
import type { WatchEvent, WatchStream } from '../registry/watch-stream.ts'
import { flushHead, writeHead } from './answer.ts'
import type { Codecs } from './codecs.ts'
import { header, type Exchange } from './exchange.ts'
import { mediaTypes, negotiate, type Negotiated } from './negotiation.ts'
import { listOptions } from './query-options.ts'
import { toPartialMetadata, toTable } from './table.ts'
import { includeOf } from './view.ts'

/** A watch without a time of its own ends after this long, so that load moves to nodes that joined since. */
const defaultTimeoutSeconds = 3600

/** Streams events, one JSON document a line or one protobuf message a frame, until the client or the watch's time ends it. */
export async function serveWatch(
  { registry, codecs, clock }: { registry: Registry; codecs: Codecs; clock: Clock },
  exchange: Exchange,
  target: Target,
): Promise<void> {
  const { context, response } = exchange
  const options = listOptions(exchange.url.searchParams)
  options.timeoutSeconds ||= defaultTimeoutSeconds
  // Custom objects have no message of their own in protobuf.
  const wanted = negotiate(header(exchange.request, 'accept'), {
    transforms: true,
    protobuf: !('schema' in target.definition),
  })
  const include = includeOf(exchange)
  const stream = expiredAsEvent(() => registry.watch(context, target, options))
  writeHead(exchange, 200, {
    'content-type': wanted.format === 'protobuf' ? `${mediaTypes.protobuf};stream=watch` : mediaTypes.json,
  })
  // Clients wait for the head before they believe that the watch stands.
  flushHead(response)
  exchange.audit.started(200)
  let first = true
  try {
    for await (const event of stream) {
      const object = view(event, wanted, target.definition, { include, nowMs: clock.nowMs(), headers: first })
      first = false
      const frame = wanted.format === 'protobuf' ? codecs.toWatchFrame(event.type, object as KubeObject) : undefined
      if (!write(response, frame ?? `{"type":"${event.type}","object":${codecs.toJson(object)}}\n`))
        await once(response, 'drain', { signal: context.signal })
    }
  } catch (error) {
    // The client left in the middle of a line: there is nobody to tell.
    if (!context.signal.aborted) throw error
  } finally {
    stream.close()
    response.end()
  }
}

/**
 * A version that is too old is told in the stream, as kube-apiserver's watch cache does: client-go's callers look for it
 * there. Whatever else is wrong with a watch is the answer to the request.
 */
function expiredAsEvent(open: () => WatchStream): WatchStream {
  try {
    return open()
  } catch (error) {
    if (!isStatus(error, 'Expired')) throw error
    const event: WatchEvent = { type: 'ERROR', object: (error as StatusError).toStatus() }
    return {
      async *[Symbol.asyncIterator]() {
        yield event
      },
      close: () => undefined,
    }
  }
}

// The two kinds of response have overloads that no common call satisfies.
function write(response: Exchange['response'], chunk: string | Uint8Array): boolean {
  return (response as NodeJS.WritableStream).write(chunk)
}

function view(
  event: WatchEvent,
  wanted: Negotiated,
  definition: ResourceDefinition,
  table: { include: 'None' | 'Metadata' | 'Object'; nowMs: number; headers: boolean },
): object {
  if (!wanted.as || event.type === 'ERROR') return event.object
  const object = event.object as KubeObject
  const { version } = wanted.as
  if (wanted.as.kind !== 'Table') return toPartialMetadata(object, version)
  const { resourceVersion } = object.metadata
  // A bookmark has no row; kubectl reads the version of the table.
  const made = toTable(definition, event.type === 'BOOKMARK' ? [] : [object], {
    version,
    metadata: { resourceVersion },
    ...table,
  })
  return event.type === 'BOOKMARK'
    ? { ...made, rows: [{ cells: definition.columns.map(() => null), object: toPartialMetadata(object, version) }] }
    : made
}
