import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { ContainerPort, HTTPGetAction, IntOrString } from '../../api/kinds.ts'

/** Most of a response's body that is read and shown (upstream maxRespBodyLength). */
const maxBodyBytes = 10 * 1024
const maxRedirects = 10

export interface HttpAnswer {
  readonly statusCode: number
  readonly body: string
  /** A redirect to another host is not followed: it counts as an answer, with a warning. */
  readonly leftHost: boolean
}

/** A container port by number or name; throws when the name is none of its ports. */
export function resolvePort(port: IntOrString, ports: readonly ContainerPort[] | undefined): number {
  const number = Number(port)
  if (Number.isInteger(number) && number > 0 && number < 65_536) return number
  const named = ports?.find((one) => one.name === port)
  if (named === undefined) throw new Error(`couldn't find port: ${JSON.stringify(port)} in container ports`)
  return named.containerPort
}

/** Makes the request of an httpGet action. Certificates are not verified, as upstream. */
export function httpGet(
  action: HTTPGetAction,
  host: string,
  port: number,
  userAgent: string,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const scheme = (action.scheme ?? 'HTTP').toLowerCase()
  const path = action.path ? (action.path.startsWith('/') ? action.path : `/${action.path}`) : '/'
  const address = host.includes(':') ? `[${host}]` : host
  const headers: Record<string, string | string[]> = {}
  for (const { name, value } of action.httpHeaders ?? []) {
    const key = name.toLowerCase()
    const before = headers[key]
    headers[key] = before === undefined ? value : [before, value].flat()
  }
  headers['user-agent'] ??= userAgent
  headers['accept'] ??= '*/*'
  headers['connection'] = 'close'
  return follow(new URL(`${scheme}://${address}:${port}${path}`), headers, signal, maxRedirects)
}

async function follow(
  url: URL,
  headers: Record<string, string | string[]>,
  signal: AbortSignal,
  redirects: number,
): Promise<HttpAnswer> {
  const answer = await once(url, headers, signal)
  const { location } = answer.headers
  const statusCode = answer.statusCode ?? 0
  if (statusCode >= 300 && statusCode < 400 && location !== undefined) {
    answer.destroy()
    const next = new URL(location, url)
    if (next.hostname !== url.hostname) return { statusCode, body: '', leftHost: true }
    if (redirects === 0) throw new Error(`stopped after ${maxRedirects} redirects`)
    return follow(next, headers, signal, redirects - 1)
  }
  let body = ''
  for await (const chunk of answer) {
    body += String(chunk)
    if (body.length > maxBodyBytes) break
  }
  answer.destroy()
  return { statusCode, body: body.slice(0, maxBodyBytes), leftHost: false }
}

function once(url: URL, headers: Record<string, string | string[]>, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { method: 'GET', headers, signal, agent: false as const }
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, rejectUnauthorized: false }, resolve)
        : httpRequest(url, options, resolve)
    request.on('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(`Get "${url.href}": ${dialMessage(error, url)}`)),
    )
    request.end()
  })
}

/** Node's socket errors in Go's words, which is what users of Kubernetes search for. */
export function dialMessage(error: NodeJS.ErrnoException, url: { hostname: string; port: string }): string {
  const target = `${url.hostname}:${url.port}`
  if (error.name === 'AbortError' || error.name === 'TimeoutError') {
    return 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
  }
  if (error.code === 'ECONNREFUSED') return `dial tcp ${target}: connect: connection refused`
  if (error.code === 'EHOSTUNREACH') return `dial tcp ${target}: connect: no route to host`
  if (error.code === 'ENETUNREACH') return `dial tcp ${target}: connect: network is unreachable`
  if (error.code === 'ECONNRESET') return 'read: connection reset by peer'
  return error.message
}
