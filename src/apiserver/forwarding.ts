import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { pipeline, type Duplex } from 'node:stream'
import { StatusError } from '../api/status-error.ts'
import { flushHead, writeHead } from './answer.ts'
import type { Exchange } from './exchange.ts'
import type { Upgrade } from './handler.ts'
import { releaseSocket } from './remote-command.ts'

// Of one hop, not of the message (RFC 9110 §7.6.1), and the caller's credentials, which are for us alone.
const notForwarded = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'authorization',
  'http2-settings',
])

/** Who the caller is we say ourselves, if anybody: what he says of it in these is dropped. */
const identifying = /^(impersonate-|x-remote-)/

/** The headers of a request, or an answer, that go on to the other side. */
export function forwardedHeaders(headers: IncomingHttpHeaders, upgrade?: Upgrade): IncomingHttpHeaders {
  const kept = Object.entries(headers).filter(
    ([name]) => !notForwarded.has(name) && !name.startsWith(':') && !identifying.test(name),
  )
  return {
    ...Object.fromEntries(kept),
    ...(upgrade ? { connection: 'Upgrade', upgrade: String(headers.upgrade) } : {}),
  }
}

/** May change an answer's headers, and returns what its body is passed through. */
type Adapt = (headers: Record<string, string>) => Duplex[]

/** Sends the body of the exchange's request as that of `sent`, and what comes back as its answer. */
export async function forward(
  exchange: Exchange,
  sent: ClientRequest,
  upgrade: Upgrade | undefined,
  adapt: Adapt = () => [],
): Promise<void> {
  const answered = Promise.withResolvers<IncomingMessage | undefined>()
  sent.once('response', answered.resolve)
  sent.once('error', answered.reject)
  if (upgrade) {
    sent.once('upgrade', (response: IncomingMessage, remote: Duplex, head: Buffer) => {
      tunnel(exchange, upgrade, response, remote, head)
      answered.resolve(undefined)
    })
    sent.end()
  } else {
    ;(exchange.request as NodeJS.ReadableStream).pipe(sent)
  }
  const response = await answered.promise.catch(unreachable)
  if (response) await passOn(exchange, response, adapt)
}

/** Throws ServiceUnavailable, unless the error says better what it is. */
export function unreachable(error: Error): never {
  if (error instanceof StatusError) throw error
  throw new StatusError('ServiceUnavailable', `error trying to reach service: ${error.message}`)
}

async function passOn(exchange: Exchange, response: IncomingMessage, adapt: Adapt): Promise<void> {
  const headers = Object.fromEntries(
    Object.entries(forwardedHeaders(response.headers)).map(([name, value]) => [name, String(value)]),
  )
  const stages = adapt(headers)
  writeHead(exchange, response.statusCode ?? 502, headers)
  // A watch on which nothing happens yet has a head nevertheless.
  flushHead(exchange.response)
  await new Promise<void>((resolve) => {
    // How it ends is seen by the client: with its connection.
    pipeline([response, ...stages, exchange.response as NodeJS.WritableStream], () => resolve())
    exchange.context.signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** The backend agreed to speak something else: from here on bytes are passed as they are. */
function tunnel(exchange: Exchange, upgrade: Upgrade, response: IncomingMessage, remote: Duplex, head: Buffer): void {
  const lines = [`HTTP/1.1 101 ${response.statusMessage ?? 'Switching Protocols'}`]
  for (let at = 0; at < response.rawHeaders.length; at += 2)
    lines.push(`${response.rawHeaders[at]}: ${response.rawHeaders[at + 1]}`)
  releaseSocket(exchange, upgrade.socket)
  upgrade.socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  if (head.length > 0) upgrade.socket.write(head)
  if (upgrade.head.length > 0) remote.write(upgrade.head)
  upgrade.socket.pipe(remote).pipe(upgrade.socket)
  remote.on('error', () => upgrade.socket.destroy())
  upgrade.socket.on('error', () => remote.destroy())
}
