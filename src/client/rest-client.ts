import { Agent, request as httpsRequest } from 'node:https'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { createRequire } from 'node:module'
import { Readable } from 'node:stream'
import type * as ws from 'ws'
import { StatusError, statusCodes, type StatusReason } from '../api/status-error.ts'
import { parseExact } from '../lib/exact-json.ts'
import type { Status } from '../api/kinds.ts'
import type { Connection } from './kubeconfig.ts'

const require = createRequire(import.meta.url)

export interface RestRequest {
  method?: string
  /** With the leading slash; query parameters apart. */
  path: string
  query?: Record<string, string | readonly string[] | undefined>
  /** A string, bytes or a stream (chunked) go as they are, anything else as JSON. */
  body?: unknown
  contentType?: string
  accept?: string
  headers?: Record<string, string>
  signal?: AbortSignal
  /** Until the answer's headers are there. Default 60,000. */
  timeoutMs?: number
}

export interface RestAnswer {
  code: number
  headers: IncomingMessage['headers']
  text: string
}

/** HTTPS to one API server with one identity; connections are kept. Answers of 400 and above become StatusErrors. */
export interface RestClient {
  readonly connection: Connection
  send(request: RestRequest): Promise<RestAnswer>
  json<T>(request: RestRequest): Promise<T>
  /** The raw answer, for watches and logs; the caller reads it to its end or destroys it. */
  stream(request: RestRequest): Promise<IncomingMessage>
  /** As {@link stream}, but an answer of 400 and above is no error: for what only passes answers on. */
  forward(request: RestRequest): Promise<IncomingMessage>
  webSocket(request: RestRequest, protocols: readonly string[]): ws.WebSocket
  close(): void
}

/** The largest answer that `send` gathers, in bytes; lists beyond it must be paged. */
const maxAnswerBytes = 512 * 1024 * 1024

export interface RestClientOptions {
  /** What the server warns of (header `Warning`, RFC 7234), for example a deprecated API version. */
  onWarning?(text: string): void
  /** Told of each answer: method, path with query, code. */
  onAnswer?(method: string, path: string, code: number): void
  /** Headers of every request, for example those of impersonation. */
  headers?: OutgoingHttpHeaders
  /** Until an answer's headers are there, where the request does not say. Default 60,000. */
  timeoutMs?: number
}

export function createRestClient(connection: Connection, options: RestClientOptions = {}): RestClient {
  const { onWarning, onAnswer } = options
  const url = new URL(connection.server)
  const tls = {
    ca: connection.caPem,
    cert: connection.certPem,
    key: connection.keyPem,
    rejectUnauthorized: !connection.insecure,
    ...(connection.serverName ? { servername: connection.serverName } : {}),
  }
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: 16, keepAliveMsecs: 10_000 })
  const common: OutgoingHttpHeaders = {
    ...(connection.token ? { authorization: `Bearer ${connection.token}` } : {}),
    ...options.headers,
  }

  const stream = (request: RestRequest): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const { body } = request
      const source = body instanceof Readable ? body : undefined
      const payload = source ? undefined : payloadOf(body)
      const headers: OutgoingHttpHeaders = {
        accept: request.accept ?? 'application/json',
        ...common,
        ...request.headers,
      }
      if (source) headers['content-type'] = request.contentType ?? 'application/octet-stream'
      if (payload !== undefined) {
        headers['content-type'] = request.contentType ?? 'application/json'
        headers['content-length'] = String(Buffer.byteLength(payload))
      }
      const outgoing = httpsRequest({
        agent,
        host: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port || 443,
        method: request.method ?? 'GET',
        path: withQuery(request),
        headers,
        signal: request.signal,
      })
      const timeoutMs = request.timeoutMs ?? options.timeoutMs ?? 60_000
      const deadline = setTimeout(
        () => outgoing.destroy(new Error(`no answer from ${connection.server} in ${timeoutMs} ms`)),
        timeoutMs,
      )
      outgoing.on('error', (error) => {
        clearTimeout(deadline)
        reject(unreachable(connection, error))
      })
      outgoing.on('response', (answer) => {
        clearTimeout(deadline)
        onAnswer?.(request.method ?? 'GET', withQuery(request), answer.statusCode ?? 0)
        for (const text of warningsOf(answer)) onWarning?.(text)
        resolve(answer)
      })
      if (source) {
        source.on('error', (error) => outgoing.destroy(error))
        source.pipe(outgoing)
      } else outgoing.end(payload)
    })

  const send = async (request: RestRequest): Promise<RestAnswer> => {
    const answer = await stream(request)
    const text = await gather(answer)
    const code = answer.statusCode ?? 0
    if (code >= 400) throw statusErrorOf(code, text, answer.headers['retry-after'])
    return { code, headers: answer.headers, text }
  }

  return {
    connection,
    send,
    json: async <T>(request: RestRequest) => parseExact((await send(request)).text) as T,
    async stream(request) {
      const answer = await stream(request)
      const code = answer.statusCode ?? 0
      if (code >= 400) throw statusErrorOf(code, await gather(answer), answer.headers['retry-after'])
      return answer
    },
    forward: stream,
    webSocket: (request, protocols) => {
      // Loaded when it is needed: most commands have no use for it.
      const { WebSocket } = require('ws') as typeof ws
      return new WebSocket(`wss://${url.host}${withQuery(request)}`, [...protocols], {
        ...tls,
        headers: { ...common, ...request.headers } as Record<string, string>,
      })
    },
    close: () => agent.destroy(),
  }
}

function payloadOf(body: unknown): string | Uint8Array | undefined {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) return body
  return JSON.stringify(body)
}

/** The texts of `299 - "text"` headers; other codes are for caches and not for people. */
function warningsOf(answer: IncomingMessage): string[] {
  const values = answer.headersDistinct['warning'] ?? []
  return values.flatMap((value) =>
    [...value.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) => text.replaceAll(/\\(.)/g, '$1')),
  )
}

function withQuery(request: RestRequest): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value === undefined) continue
    for (const one of typeof value === 'string' ? [value] : value) query.append(name, one)
  }
  const text = query.toString()
  return text === '' ? request.path : `${request.path}?${text}`
}

async function gather(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxAnswerBytes)
      throw new Error(`the answer is larger than ${maxAnswerBytes} bytes: ask for less at a time`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** A Status body as the error it describes; any other body becomes the message of a fitting one. */
export function statusErrorOf(code: number, text: string, retryAfter?: string): StatusError {
  try {
    const status = JSON.parse(text) as Status
    if (status.kind === 'Status') {
      const reason = (status.reason ?? 'InternalError') as StatusReason
      return new StatusError(reason in statusCodes ? reason : reasonOf(code), status.message ?? text, status.details)
    }
  } catch {
    // Not JSON: a proxy's page, or text.
  }
  return new StatusError(
    reasonOf(code),
    text.trim().slice(0, 1000) || `HTTP ${code}`,
    retryAfter ? { retryAfterSeconds: Number(retryAfter) || 1 } : undefined,
  )
}

function reasonOf(code: number): StatusReason {
  const found = Object.entries(statusCodes).find(([, one]) => one === code)
  return (found?.[0] ?? 'InternalError') as StatusReason
}

/** Says what to do about a connection that could not be made. */
function unreachable(connection: Connection, error: Error & { code?: string }): Error {
  if (error.name === 'AbortError') return error
  const why =
    error.code === 'ECONNREFUSED' ? 'connection refused: is the agent running there?' : error.message || error.code
  return new Error(`the server ${connection.server} cannot be reached: ${why}`)
}
