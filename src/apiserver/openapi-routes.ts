import { StatusError } from '../api/status-error.ts'
import { openApiV2ProtobufMediaType } from '../schema/gnostic.ts'
import type { OpenApiSnapshot } from '../schema/openapi-publisher.ts'
import { answerBytes, answerNotModified } from './answer.ts'
import { header, type Exchange } from './exchange.ts'
import { parseAccept } from './negotiation.ts'

/** The documents of what is served now. */
export type OpenApiSource = () => OpenApiSnapshot

/** Serves /openapi/v2 and /openapi/v3 (KEP-2896). False: not an OpenAPI path. */
export async function serveOpenApi(source: OpenApiSource, exchange: Exchange): Promise<boolean> {
  const { pathname, searchParams } = exchange.url
  if (pathname === '/openapi/v2') {
    const [first] = parseAccept(header(exchange.request, 'accept'))
    // The media type holds an `@`, and in old clients another version number behind it.
    if (first?.type.startsWith('application/com.github.proto-openapi.spec.v2') === true) {
      const { bytes, hash } = source().v2Protobuf()
      await send(exchange, { bytes, hash, type: openApiV2ProtobufMediaType })
    } else {
      const { json, hash } = source().v2Json()
      await send(exchange, { bytes: Buffer.from(json), hash, type: 'application/json' })
    }
    return true
  }
  if (pathname === '/openapi/v3' || pathname === '/openapi/v3/') {
    await answerBytes(exchange, 200, Buffer.from(source().indexJson()), { 'content-type': 'application/json' })
    return true
  }
  if (!pathname.startsWith('/openapi/v3/')) return false
  const path = pathname.slice('/openapi/v3/'.length)
  const document = source().v3(path)
  if (!document) throw new StatusError('NotFound', 'the server could not find the requested resource', {})
  const wanted = searchParams.get('hash')
  if (wanted && wanted !== document.hash) {
    // The document changed since the index was read: its new address is its new content.
    await answerBytes(exchange, 301, new Uint8Array(), { location: `/openapi/v3/${path}?hash=${document.hash}` })
    return true
  }
  await send(
    exchange,
    { bytes: Buffer.from(document.json), hash: document.hash, type: 'application/json' },
    wanted !== null,
  )
  return true
}

/** `immutable`: the address names the content. */
async function send(
  exchange: Exchange,
  { bytes, hash, type }: { bytes: Uint8Array; hash: string; type: string },
  immutable = false,
): Promise<void> {
  const etag = `"${hash}"`
  const known = header(exchange.request, 'if-none-match')
  if (known === etag || known === `W/${etag}`) return answerNotModified(exchange, etag)
  await answerBytes(exchange, 200, bytes, {
    'content-type': type,
    etag,
    ...(immutable ? { 'cache-control': 'public, immutable', expires: 'Thu, 31 Dec 2037 23:55:55 GMT' } : {}),
  })
}
