import type { WebSocket } from 'ws'
import type { PodLogOptions } from '../api/pod-options.ts'
import { errors, fieldErrors, type FieldError } from '../api/status-error.ts'
import { channel } from '../streams/channels.ts'
import type { NodeAccess, NodeRequest } from '../streams/node-access.ts'
import { sendMessage } from '../streams/websocket-codec.ts'
import { flushHead, writeHead } from './answer.ts'
import type { Exchange } from './exchange.ts'
import type { Upgrade } from './handler.ts'
import { acceptWebSocket, isWebSocketUpgrade } from './remote-command.ts'
import { isTrue } from './request-info.ts'

/** The query of GET …/log. Throws Invalid as core validation of PodLogOptions does. */
export function podLogOptions(query: URLSearchParams, container: string): PodLogOptions {
  const causes: FieldError[] = []
  const integer = (name: string, least: number): number | undefined => {
    const text = query.get(name)
    if (text === null || text === '') return undefined
    const value = Number(text)
    if (!Number.isInteger(value))
      throw errors.badRequest(`${name}: Invalid value: ${JSON.stringify(text)}: must be an integer`)
    if (value < least)
      causes.push(fieldErrors.invalid(name, value, `must be greater than ${least === 0 ? 'or equal to 0' : '0'}`))
    return value
  }
  const options: PodLogOptions = {
    container,
    follow: isTrue(query.get('follow')),
    previous: isTrue(query.get('previous')),
    timestamps: isTrue(query.get('timestamps')),
    sinceSeconds: integer('sinceSeconds', 1),
    sinceTime: query.get('sinceTime') || undefined,
    tailLines: integer('tailLines', 0),
    limitBytes: integer('limitBytes', 1),
    stream: query.get('stream') || undefined,
  }
  if (options.sinceSeconds !== undefined && options.sinceTime !== undefined) {
    causes.push(fieldErrors.forbidden('sinceSeconds', 'at most one of `sinceTime` or `sinceSeconds` may be specified'))
  }
  if (options.stream !== undefined && !['All', 'Stdout', 'Stderr'].includes(options.stream)) {
    causes.push(fieldErrors.notSupported('stream', options.stream, ['All', 'Stdout', 'Stderr']))
  }
  if (options.stream !== undefined && options.stream !== 'All' && options.tailLines !== undefined) {
    causes.push(fieldErrors.forbidden('tailLines', '`tailLines` and specific `stream` are mutually exclusive for now'))
  }
  if (causes.length > 0) throw errors.invalid({ group: '', kind: 'PodLogOptions' }, '', causes)
  return options
}

/** Where a log goes to. */
interface LogSink {
  /** Something comes, or a follower must see that the log is open. Idempotent. */
  start(): Promise<void>
  write(data: Uint8Array): Promise<void>
  end(): void
}

/**
 * Streams a container's log, until its end or, when following, until the client leaves: as text, or as messages of a
 * WebSocket.
 */
export async function serveLog(
  nodes: NodeAccess,
  node: string,
  request: NodeRequest,
  exchange: Exchange,
  upgrade?: Upgrade,
  contentType = 'text/plain',
): Promise<void> {
  const { signal } = exchange.context
  const remote = await nodes.open(node, request, signal)
  const stop = () => remote.close()
  signal.addEventListener('abort', stop, { once: true })
  const sink =
    upgrade && isWebSocketUpgrade(exchange) ? webSocketSink(exchange, upgrade) : textSink(exchange, contentType)
  let started = false
  const start = () => {
    started = true
    return sink.start()
  }
  try {
    if (request.kind === 'log' && request.options.follow) await start()
    for await (const { channel: number, data } of remote.frames) {
      if (number !== channel.stdout || !data) continue
      await start()
      await sink.write(data)
    }
    await start()
  } catch (error) {
    // Once text has gone out there is no Status to send any more: the text just ends.
    if (!started) throw error
  } finally {
    signal.removeEventListener('abort', stop)
    remote.close()
    if (started) sink.end()
  }
}

function textSink(exchange: Exchange, contentType: string): LogSink {
  const { response } = exchange
  const out = response as NodeJS.WritableStream
  let started = false
  return {
    async start() {
      if (started) return
      started = true
      writeHead(exchange, 200, { 'content-type': contentType })
      flushHead(response)
    },
    async write(data) {
      if (!out.write(data)) await drained(out, exchange.context.signal)
    },
    end: () => void out.end(),
  }
}

/** Each piece is a message; none and `binary.k8s.io` are binary ones (k8s.io/apiserver's wsstream). */
const logProtocols = ['binary.k8s.io', 'base64.binary.k8s.io', '']

function webSocketSink(exchange: Exchange, upgrade: Upgrade): LogSink {
  let socket: WebSocket | undefined
  return {
    async start() {
      socket ??= await acceptWebSocket(exchange, upgrade, logProtocols)
    },
    async write(data) {
      if (!socket) return
      const isText = socket.protocol.startsWith('base64.')
      await sendMessage(socket, isText ? Buffer.from(data).toString('base64') : data)
    },
    end: () => socket?.close(1000),
  }
}

function drained(out: NodeJS.WritableStream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      out.off('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    out.once('drain', done)
    signal.addEventListener('abort', done, { once: true })
  })
}
