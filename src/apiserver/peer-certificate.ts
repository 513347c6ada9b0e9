import type { TLSSocket } from 'node:tls'
import type { Request } from './exchange.ts'

const known = new WeakMap<object, { raw: Uint8Array | undefined }>()

/**
 * The certificate (DER) that a client showed when it connected. Asked for once a connection: it does not change, and
 * reading it costs more than all else that tells who a client is. The same bytes come back each time.
 */
export function peerCertificateOf(request: Request): Uint8Array | undefined {
  // The socket of an HTTP/2 request is a stand-in that is made anew; its session is the connection.
  const connection = 'stream' in request ? (request.stream.session ?? request.socket) : request.socket
  const before = known.get(connection)
  if (before) return before.raw
  const raw = (request.socket as TLSSocket).getPeerCertificate?.()?.raw
  known.set(connection, { raw })
  return raw
}
