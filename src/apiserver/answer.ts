import { gzip } from 'node:zlib'
import { promisify } from 'node:util'
import type { KubeObject } from '../api/object.ts'
import { errors, StatusError } from '../api/status-error.ts'
import { createTurns } from '../lib/turns.ts'
import type { Codecs } from './codecs.ts'
import { header, type Exchange, type Response } from './exchange.ts'
import { mediaTypes, negotiate, type Negotiated } from './negotiation.ts'
import { isTrue } from './request-info.ts'
import type { ListObject } from './view.ts'

/** Smaller answers cost more to pack than to send (apiserver's own threshold). */
const gzipThresholdBytes = 128 * 1024
const maxWarnings = 32
const maxWarningLength = 4096

/** Sends a value in the form that the client asked for. */
export async function answer(
  codecs: Codecs,
  exchange: Exchange,
  code: number,
  value: object,
  format: Negotiated['format'] = 'json',
  extraHeaders: Readonly<Record<string, string>> = {},
): Promise<void> {
  exchange.audit.response(value)
  const { body, type } = await serialize(codecs, exchange, value, format)
  await answerBytes(exchange, code, body, { 'content-type': type, ...extraHeaders })
}

/** Sends bytes, packed when that pays and the client takes it. */
export async function answerBytes(
  exchange: Exchange,
  code: number,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const { request, response } = exchange
  if (response.headersSent) return
  const packed = body.length > gzipThresholdBytes && /\bgzip\b/.test(header(request, 'accept-encoding') ?? '')
  const bytes = packed ? await promisify(gzip)(body, { level: 1 }) : body
  writeHead(exchange, code, {
    vary: 'Accept, Accept-Encoding',
    ...headers,
    'content-length': String(bytes.length),
    ...(packed ? { 'content-encoding': 'gzip' } : {}),
  })
  if (request.method === 'HEAD') response.end()
  else response.end(bytes)
}

/** 304: says nothing of a body, or caches would take it for news of the one they hold (RFC 9110 §15.4.5). */
export function answerNotModified(exchange: Exchange, etag: string): void {
  writeHead(exchange, 304, { etag, vary: 'Accept', 'cache-control': 'public, max-age=0' })
  exchange.response.end()
}

/** Status line and headers, with the warnings that came up on the way. */
export function writeHead(exchange: Exchange, code: number, headers: Readonly<Record<string, string>>): void {
  const warnings = [...new Set(exchange.warnings)].slice(0, maxWarnings)
  // Set one by one: the two kinds of response agree on that, not on writeHead's overloads.
  const response = exchange.response as Response & { setHeader(name: string, value: string | string[]): unknown }
  response.statusCode = code
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.setHeader('cache-control', headers['cache-control'] ?? 'no-cache, private')
  if (warnings.length > 0)
    response.setHeader(
      'warning',
      warnings.map((one) => `299 - ${quote(one)}`),
    )
}

/** Any failure as a Status. What is no StatusError is a bug of ours: the client learns no more than that. */
export async function answerError(codecs: Codecs, exchange: Exchange, error: unknown): Promise<void> {
  const status = error instanceof StatusError ? error : errors.internal((error as Error).message)
  const retryAfter = status.details?.retryAfterSeconds
  let format: Negotiated['format'] = 'json'
  try {
    format = negotiate(header(exchange.request, 'accept'), { transforms: true, protobuf: true }).format
  } catch {
    // An Accept header that nothing satisfies is told so in JSON.
  }
  await answer(codecs, exchange, status.code, status.toStatus(), format, {
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
    ...(status.code === 401 ? { 'www-authenticate': 'Bearer realm="stormo"' } : {}),
  })
}

async function serialize(
  codecs: Codecs,
  exchange: Exchange,
  value: object,
  format: Negotiated['format'],
): Promise<{ body: Uint8Array; type: string }> {
  if (format === 'protobuf') {
    const bytes = codecs.toProtobuf(value as KubeObject)
    if (bytes) return { body: bytes, type: mediaTypes.protobuf }
  }
  if (format === 'yaml') return { body: Buffer.from(codecs.toYaml(value)), type: mediaTypes.yaml }
  const pretty = exchange.url.searchParams.get('pretty')
  const wanted =
    isTrue(pretty) || (pretty === null && /^(curl|Wget|Mozilla)/.test(header(exchange.request, 'user-agent') ?? ''))
  if (wanted) return { body: Buffer.from(`${JSON.stringify(value, null, 2)}\n`), type: mediaTypes.json }
  const list = value as Partial<ListObject>
  const body = Array.isArray(list.items)
    ? await listBytes(codecs, value as ListObject)
    : Buffer.from(`${codecs.toJson(value)}\n`)
  return { body, type: mediaTypes.json }
}

/** Items that are written down in one go: a few milliseconds. */
const itemsAtOnce = 250
/** One for the process: it is its one thread that is shared. */
const turn = createTurns(() => new Promise((resolve) => setImmediate(resolve)))

/** A list item by item, so that each is made once for all lists, and long lists let others through. */
async function listBytes(codecs: Codecs, { items, ...list }: ListObject): Promise<Uint8Array> {
  const chunks = [Buffer.from(`${JSON.stringify(list).slice(0, -1)},"items":[`)]
  for (let from = 0; from < items.length; from += itemsAtOnce) {
    if (from > 0) await turn()
    const texts = items.slice(from, from + itemsAtOnce).map((item) => textOf(codecs, item))
    chunks.push(Buffer.from(`${from > 0 ? ',' : ''}${texts.join(',')}`))
  }
  chunks.push(Buffer.from(']}\n'))
  return Buffer.concat(chunks)
}

/** A custom object may have `items` of its own, of any kind. */
const textOf = (codecs: Codecs, item: unknown): string =>
  typeof item === 'object' && item !== null ? codecs.toJson(item) : JSON.stringify(item ?? null)

/** A quoted-string of RFC 9110 without control characters. */
function quote(text: string): string {
  const printable = text.slice(0, maxWarningLength).replaceAll(/[^\x20-\x7e]/g, '?')
  return `"${printable.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

/** Sends the head before there is a body. Both kinds of response can, only one says so in its types. */
export function flushHead(response: Response): void {
  ;(response as Response & { flushHeaders(): void }).flushHeaders()
}
