export type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Browsers cannot set headers on WebSockets: the token may come as a subprotocol, base64url without padding. */
const webSocketPrefix = 'base64url.bearer.authorization.k8s.io.'

/** The bearer token of a request, from `Authorization` or `Sec-WebSocket-Protocol`; undefined without one. */
export function bearerToken(headers: Headers): string | undefined {
  const authorization = single(headers['authorization'])
  const match = authorization?.match(/^bearer +(\S+)\s*$/i)
  if (match) return match[1]
  const protocols = [headers['sec-websocket-protocol'] ?? []].flat().join(',').split(',')
  const carried = protocols.map((protocol) => protocol.trim()).find((protocol) => protocol.startsWith(webSocketPrefix))
  return carried && Buffer.from(carried.slice(webSocketPrefix.length), 'base64url').toString('utf8')
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
