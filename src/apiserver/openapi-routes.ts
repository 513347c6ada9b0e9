import { createHash } from 'node:crypto'
import { StatusError } from '../api/status-error.ts'
import { answer, answerBytes, answerNotModified } from './answer.ts'
import type { Codecs } from './codecs.ts'
import { header, type Exchange } from './exchange.ts'
import { parseAccept } from './negotiation.ts'

/** OpenAPI documents of everything served. `revision` grows when any of them may have changed. */
export interface OpenApiSource {
  revision(): number
  /** `api/v1`, `apis/apps/v1`, … */
  v3Paths(): readonly string[]
  v3(path: string): object | undefined
  v2(): object
  /** gnostic's protobuf of the v2 document, which old clients ask for; undefined when it cannot be made. */
  v2Protobuf?(): Uint8Array | undefined
}

interface Cached {
  revision: number
  bytes: Buffer
  hash: string
}

/** Serves /openapi/v2 and /openapi/v3 (KEP-2896), each document made once a revision. */
export function createOpenApiRoutes(source: OpenApiSource, codecs: Codecs) {
  const cached = new Map<string, Cached>()

  function document(path: string, make: () => object | undefined): Cached | undefined {
    const known = cached.get(path)
    if (known?.revision === source.revision()) return known
    const made = make()
    if (made === undefined) return undefined
    const bytes = Buffer.from(JSON.stringify(made))
    const hash = createHash('sha512').update(bytes).digest('hex').slice(0, 64).toUpperCase()
    const entry = { revision: source.revision(), bytes, hash }
    cached.set(path, entry)
    return entry
  }

  const v3 = (path: string) => document(path, () => source.v3(path))

  async function send(exchange: Exchange, { bytes, hash }: Cached, headers: Record<string, string>): Promise<void> {
    const etag = `"${hash}"`
    const known = header(exchange.request, 'if-none-match')
    if (known === etag || known === `W/${etag}`) return answerNotModified(exchange, etag)
    await answerBytes(exchange, 200, bytes, { 'content-type': 'application/json', etag, ...headers })
  }

  /** False: not an OpenAPI path. */
  return async (exchange: Exchange): Promise<boolean> => {
    const { pathname } = exchange.url
    if (pathname === '/openapi/v2') {
      const [first] = parseAccept(header(exchange.request, 'accept'))
      const wantsProtobuf = first?.type.includes('com.github.proto-openapi.spec.v2') === true
      const bytes = wantsProtobuf ? source.v2Protobuf?.() : undefined
      if (bytes) {
        await answerBytes(exchange, 200, bytes, {
          'content-type': 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
        })
        return true
      }
      const made = document('v2', () => source.v2())
      if (made) await send(exchange, made, {})
      return true
    }
    if (pathname === '/openapi/v3' || pathname === '/openapi/v3/') {
      const paths: Record<string, { serverRelativeURL: string }> = {}
      for (const path of source.v3Paths()) {
        const made = v3(path)
        if (made) paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${made.hash}` }
      }
      await answer(codecs, exchange, 200, { paths })
      return true
    }
    if (!pathname.startsWith('/openapi/v3/')) return false
    const path = pathname.slice('/openapi/v3/'.length)
    const made = source.v3Paths().includes(path) ? v3(path) : undefined
    if (!made) throw new StatusError('NotFound', 'the server could not find the requested resource', {})
    const hash = exchange.url.searchParams.get('hash')
    if (hash && hash !== made.hash) {
      // The document changed since the index was read: its new address is its new content.
      await answerBytes(exchange, 301, new Uint8Array(), { location: `/openapi/v3/${path}?hash=${made.hash}` })
      return true
    }
    // The address names the content: it never changes.
    await send(exchange, made, hash ? { 'cache-control': 'public, immutable', expires: farFuture } : {})
    return true
  }
}

const farFuture = 'Thu, 31 Dec 2037 23:55:55 GMT'
