import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { connectionOptions } from '../connection-options.ts'

export const proxyCommand: CommandDefinition = {
  name: 'proxy',
  summary: 'Serve the API on this machine without a password',
  options: [
    ...connectionOptions,
    { flags: '-p, --port <port>', summary: 'port to listen on; 0 is any that is free', integer: true, default: 8001 },
    { flags: '--address <address>', summary: 'address to listen on', default: '127.0.0.1' },
    { flags: '-u, --unix-socket <path>', summary: 'listen on this socket instead' },
    { flags: '--api-prefix <path>', summary: 'serve the API below this path', default: '/' },
    {
      flags: '--accept-hosts <regexp>',
      summary: 'hosts that requests may name',
      default: '^localhost$,^127\\.0\\.0\\.1$,^\\[::1\\]$',
    },
    { flags: '--accept-paths <regexp>', summary: 'paths that are let through', default: '^.*' },
    {
      flags: '--reject-paths <regexp>',
      summary: 'paths that are refused',
      default: '^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach',
    },
    { flags: '--reject-methods <regexp>', summary: 'methods that are refused', default: '^$' },
    { flags: '--disable-filter', summary: 'refuse nothing: whoever reaches the port has all your rights' },
  ],
  run: (invocation) => withClient(invocation, (client) => serve(invocation, client)),
}

async function serve(invocation: Invocation, client: RestClient): Promise<number> {
  const { io } = invocation
  const refusal = option.flag(invocation, 'disableFilter') ? () => undefined : filterOf(invocation)
  const prefix = (option.text(invocation, 'apiPrefix') ?? '/').replace(/\/*$/, '/')
  const server = createServer((request, response) => {
    const why = refusal(request)
    if (why !== undefined || !request.url?.startsWith(prefix)) {
      response.writeHead(why === undefined ? 404 : 403).end(why ?? 'Not Found')
      return
    }
    passOn(client, request, response, request.url.slice(prefix.length - 1)).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(502)
      response.end(error instanceof Error ? error.message : String(error))
    })
  })
  const socket = option.text(invocation, 'unixSocket')
  if (socket === undefined)
    server.listen(option.integer(invocation, 'port') ?? 8001, option.text(invocation, 'address'))
  else server.listen(socket)
  try {
    await once(server, 'listening', { signal: io.signal })
    const address = server.address()
    const shown =
      typeof address === 'string' || address === null
        ? String(address)
        : `${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
    io.out(`Starting to serve on ${shown}\n`)
    if (!io.signal.aborted) await once(io.signal, 'abort')
    return 0
  } finally {
    server.closeAllConnections()
    server.close()
    if (socket !== undefined) rmSync(socket, { force: true })
  }
}

/** Why a request is refused: a page in a browser must not reach the API by way of this machine. */
function filterOf(invocation: Invocation): (request: IncomingMessage) => string | undefined {
  const patterns = (name: string): RegExp[] =>
    (option.text(invocation, name) ?? '').split(',').map((text) => {
      try {
        return new RegExp(text)
      } catch {
        throw new UsageError(`invalid regular expression "${text}"`)
      }
    })
  const [hosts, paths, rejectedPaths, rejectedMethods] = [
    patterns('acceptHosts'),
    patterns('acceptPaths'),
    patterns('rejectPaths'),
    patterns('rejectMethods'),
  ]
  const matches = (list: readonly RegExp[], text: string): boolean => list.some((one) => one.test(text))
  return ({ headers, url = '', method = '' }) => {
    const host = (headers.host ?? '').replace(/:\d+$/, '')
    const isLet =
      matches(hosts, host) && matches(paths, url) && !matches(rejectedPaths, url) && !matches(rejectedMethods, method)
    return isLet ? undefined : 'Forbidden'
  }
}

/** Headers that are about one connection, or say who asks. */
const ownHeaders = new Set(['host', 'connection', 'authorization', 'content-length', 'transfer-encoding', 'upgrade'])

async function passOn(
  client: RestClient,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<void> {
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(([name, value]) => !ownHeaders.has(name) && value !== undefined),
  ) as Record<string, string>
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  const answer = await client.forward({
    method: request.method ?? 'GET',
    path,
    headers,
    ...(headers['content-type'] ? { contentType: headers['content-type'] } : {}),
    ...(hasBody ? { body: request } : {}),
    signal: gone.signal,
  })
  response.writeHead(answer.statusCode ?? 502, answer.headers)
  response.flushHeaders()
  await pipeline(answer, response)
}
