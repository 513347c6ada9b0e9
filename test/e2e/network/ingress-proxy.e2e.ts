import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, request, type IncomingMessage, type Server } from 'node:http'
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import * as grpc from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { makeDefaultCertificate } from '../../../src/ingress/default-certificate.ts'
import { defaultCertificate, haproxyFiles } from '../../../src/ingress/haproxy-config.ts'
import { createHaproxyProcess, type HaproxyProcess } from '../../../src/ingress/haproxy-process.ts'
import { planRoutes } from '../../../src/ingress/routes.ts'
import { assignAllSlots, slotCommands, type ServerSlots } from '../../../src/ingress/server-slots.ts'
import { ingressOf, stateOf, to } from '../../../src/ingress/testing.ts'
import { exec } from '../../../src/lib/exec.ts'
import { systemClock, systemRandom } from '../../../src/lib/system.ts'

/** Loopback has addresses enough: one for each endpoint, at the port that the test state's slices have. */
const [first, second, nobody, grpcServer] = ['127.0.77.1', '127.0.77.2', '127.0.77.3', '127.0.77.4']
const endpointPort = 8080
const hasHaproxy = spawnSync('sh', ['-c', 'command -v haproxy']).status === 0

interface Endpoint {
  server: Server
  /** Connections that it has at the moment. */
  readonly open: Set<Socket>
}

/** Says its address, the method and the length of the body; `/slow` takes half a second; echoes on WebSockets. */
async function startEndpoint(address: string): Promise<Endpoint> {
  const open = new Set<Socket>()
  const server = createServer((incoming, response) => {
    void text(incoming).then((body) => {
      const answer = `${address} ${incoming.method} ${body.length} ${incoming.headers['x-forwarded-proto']}`
      setTimeout(() => response.end(answer), incoming.url === '/slow' ? 500 : 0)
    })
  })
  server.on('connection', (socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`${address} ${String(data)}`)))
  server.listen(endpointPort, address)
  await once(server, 'listening')
  return { server, open }
}

const raw = { requestSerialize: (one: Buffer) => one, requestDeserialize: (one: Buffer) => one }
const rawBoth = { ...raw, responseSerialize: raw.requestSerialize, responseDeserialize: raw.requestDeserialize }
const echo = {
  once: { path: '/test.Echo/Once', requestStream: false, responseStream: false, ...rawBoth },
  stream: { path: '/test.Echo/Stream', requestStream: true, responseStream: true, ...rawBoth },
}

async function startGrpc(): Promise<grpc.Server> {
  const server = new grpc.Server()
  server.addService(echo, {
    once: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      if (String(call.request) === 'fail') done({ code: grpc.status.FAILED_PRECONDITION, details: 'as told' })
      else done(null, call.request)
    },
    stream: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (one: Buffer) => call.write(one))
      call.on('end', () => call.end())
    },
  })
  const bind = Promise.withResolvers<void>()
  server.bindAsync(`${grpcServer}:${endpointPort}`, grpc.ServerCredentials.createInsecure(), (error) =>
    error ? bind.reject(error) : bind.resolve(),
  )
  await bind.promise
  return server
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe.runIf(hasHaproxy)('the proxy of Ingresses', () => {
  let dir: string
  let proxy: HaproxyProcess
  let endpoints: Endpoint[]
  let rpc: grpc.Server
  let [httpPort, httpsPort] = [0, 0]
  let slots: ReadonlyMap<string, ServerSlots> = new Map()

  const planOf = (web: string[]) => {
    const paths = (service: string) => ({ http: { paths: [{ path: '/', pathType: 'Prefix', backend: to(service) }] } })
    return planRoutes(
      stateOf({
        services: { web: { addresses: web }, broken: { addresses: [nobody, first] }, rpc: { addresses: [grpcServer] } },
        ingresses: [
          ingressOf('web', { rules: [{ host: 'web.example', ...paths('web') }] }),
          ingressOf('broken', { rules: [{ host: 'broken.example', ...paths('broken') }] }),
          ingressOf('small', { rules: [{ host: 'small.example', ...paths('web') }] }, limit('1k')),
          ingressOf('any', { rules: [{ host: 'any.example', ...paths('web') }] }, limit('0')),
          ingressOf('forced', { rules: [{ host: 'forced.example', ...paths('web') }] }, forced),
          ingressOf('rpc', { rules: [{ host: 'rpc.example', ...paths('rpc') }] }, grpcBackend),
        ],
      }),
    )
  }
  const limit = (size: string) => ({ 'ingress.stormo.dev/proxy-body-size': size })
  const forced = { 'ingress.stormo.dev/force-ssl-redirect': 'true' }
  const grpcBackend = { 'ingress.stormo.dev/backend-protocol': 'GRPC' }

  /** As the node does: by commands where they suffice, by reading everything anew else, or when told so. */
  async function serve(web: string[], how: 'commands' | 'anew'): Promise<void> {
    const plan = planOf(web)
    const next = assignAllSlots(slots, plan.backends)
    const files = haproxyFiles(plan, next, { dir, httpPort, httpsPort, hasUser: false, threads: 1 })
    const commands = slotCommands(slots, next)
    if (how === 'commands' && commands) await proxy.change(commands, files)
    else await proxy.load(files.size > 0 ? new Map([...files, [defaultCertificate, certificate]]) : files)
    slots = next
  }
  let certificate = ''

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'stormo-ingress-'))
    httpPort = await freePort()
    httpsPort = await freePort()
    certificate = await makeDefaultCertificate(Date.now(), systemRandom)
    proxy = createHaproxyProcess({ dir, exec, clock: systemClock })
    endpoints = [await startEndpoint(first), await startEndpoint(second)]
    rpc = await startGrpc()
    await serve([first], 'anew')
  })

  afterAll(async () => {
    await proxy?.remove()
    for (const { server } of endpoints ?? []) {
      server.close()
      server.closeAllConnections()
    }
    rpc?.forceShutdown()
    await rm(dir, { recursive: true, force: true })
  })

  async function ask(
    host: string,
    options: { path?: string; method?: string; body?: Buffer; isChunked?: boolean } = {},
  ) {
    const sent = request({
      port: httpPort,
      path: options.path ?? '/',
      method: options.method ?? 'GET',
      headers: { host, ...(options.body && !options.isChunked ? { 'content-length': options.body.length } : {}) },
    })
    sent.on('error', () => undefined)
    const answered = once(sent, 'response') as Promise<[IncomingMessage]>
    const heard = new AbortController()
    answered.catch(() => undefined).finally(() => heard.abort())
    if (options.isChunked) {
      // Each write is a chunk, whose own length is announced. The proxy closes on whom it refuses (RFC 9112 §9.6): who
      // does not stop to listen finds its connection reset before it has read the answer.
      for (let at = 0; options.body && at < options.body.length && !heard.signal.aborted; at += 10_000) {
        sent.write(options.body.subarray(at, at + 10_000))
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      sent.end()
    } else sent.end(options.body)
    const [response] = await answered
    return { code: response.statusCode, headers: response.headers, body: await text(response) }
  }

  async function openSocket(host: string): Promise<{ say(line: string): Promise<string>; socket: WebSocket }> {
    const socket = new WebSocket(`ws://127.0.0.1:${httpPort}/chat`, { headers: { host } })
    await once(socket, 'open')
    return {
      socket,
      async say(line) {
        const heard = once(socket, 'message')
        socket.send(line)
        return String((await heard)[0])
      },
    }
  }

  test('a WebSocket passes, and lives on while its endpoint leaves and the proxy reads its configuration anew', async () => {
    await serve([first], 'commands')
    const { say, socket } = await openSocket('web.example')
    expect(await say('a')).toBe(`${first} a`)
    await serve([second], 'commands')
    expect((await ask('web.example')).body).toContain(second)
    expect(await say('b')).toBe(`${first} b`)
    await serve([second], 'anew')
    expect(await say('c')).toBe(`${first} c`)
    socket.close()
    await once(socket, 'close')
    await serve([first], 'commands')
  })

  test('a request that is under way ends at its endpoint, whatever changes meanwhile', async () => {
    await serve([first], 'commands')
    const asked = Array.from({ length: 8 }, () => ask('web.example', { path: '/slow' }))
    while (endpoints[0]!.open.size === 0) await once(endpoints[0]!.server, 'connection')
    await serve([second], 'commands')
    await serve([second], 'anew')
    for (const { code } of await Promise.all(asked)) expect(code).toBe(200)
    await serve([first], 'commands')
  })

  test('a dead endpoint costs nobody a request', async () => {
    for (let turn = 0; turn < 10; turn++) {
      const { code, body } = await ask('broken.example')
      expect([code, body]).toEqual([200, `${first} GET 0 http`])
    }
    const posted = await ask('broken.example', { method: 'POST', body: Buffer.alloc(10) })
    expect([posted.code, posted.body]).toEqual([200, `${first} POST 10 http`])
  })

  test('a body above the limit is refused, one within it passes', async () => {
    expect((await ask('small.example', { method: 'POST', body: Buffer.alloc(2_000) })).code).toBe(413)
    expect((await ask('small.example', { method: 'POST', body: Buffer.alloc(1_000) })).body).toBe(
      `${first} POST 1000 http`,
    )
    expect((await ask('web.example', { method: 'POST', body: Buffer.alloc(2_000) })).body).toContain('POST 2000')
  })

  test('a body of unknown length is counted, against the default limit too, and by HTTP/2', async () => {
    const chunked = (host: string, bytes: number) =>
      ask(host, { method: 'POST', body: Buffer.alloc(bytes), isChunked: true })
    expect((await chunked('small.example', 1_000)).body).toBe(`${first} POST 1000 http`)
    expect((await chunked('small.example', 1_025)).code).toBe(413)
    expect((await chunked('small.example', 500_000)).code).toBe(413)
    expect((await chunked('web.example', 1_000_000)).body).toBe(`${first} POST 1000000 http`)
    expect((await chunked('web.example', 2_000_000)).code).toBe(413)
    expect((await chunked('any.example', 2_000_000)).body).toBe(`${first} POST 2000000 http`)
    expect((await chunked('nowhere.example', 2_000_000)).code).toBe(404)
    const session = connectHttp2(`https://127.0.0.1:${httpsPort}`, { rejectUnauthorized: false })
    try {
      const stream = session.request({ ':method': 'POST', ':authority': 'small.example', ':path': '/' })
      stream.end(Buffer.alloc(500_000))
      const [headers] = (await once(stream, 'response')) as [{ ':status'?: number }]
      expect(headers[':status']).toBe(413)
      stream.close()
    } finally {
      session.close()
    }
  })

  test('plain requests are sent to HTTPS where the Ingress says so, and an unknown host gets 404', async () => {
    const { code, headers } = await ask('forced.example', { path: '/a?b=c' })
    expect([code, headers.location]).toEqual([308, `https://forced.example:${httpsPort}/a?b=c`])
    expect((await ask('unknown.example')).code).toBe(404)
  })

  test('HTTP/2 is spoken to clients that know it', async () => {
    const session = connectHttp2(`https://127.0.0.1:${httpsPort}`, { rejectUnauthorized: false })
    try {
      expect(await askHttp2(session, 'web.example')).toBe(`${first} GET 0 https`)
      expect(session.alpnProtocol).toBe('h2')
    } finally {
      session.close()
    }
  })

  async function askHttp2(session: ClientHttp2Session, host: string): Promise<string> {
    const stream = session.request({ ':path': '/', ':authority': host })
    stream.end()
    return text(stream)
  }

  test('gRPC passes: calls, their errors, and streams both ways', async () => {
    const credentials = grpc.credentials.createSsl(null, null, null, { rejectUnauthorized: false })
    const options = { 'grpc.default_authority': 'rpc.example' }
    const Client = grpc.makeGenericClientConstructor(echo, 'Echo')
    const client = new Client(`127.0.0.1:${httpsPort}`, credentials, options)
    try {
      const call = (message: string) =>
        new Promise<string>((resolve, reject) => {
          client.makeUnaryRequest(
            echo.once.path,
            raw.requestSerialize,
            raw.requestDeserialize,
            Buffer.from(message),
            (error, answer) => (error ? reject(error) : resolve(String(answer))),
          )
        })
      expect(await call('hello')).toBe('hello')
      await expect(call('fail')).rejects.toMatchObject({ code: grpc.status.FAILED_PRECONDITION, details: 'as told' })
      const stream = client.makeBidiStreamRequest(echo.stream.path, raw.requestSerialize, raw.requestDeserialize)
      for (const line of ['one', 'two']) {
        const heard = once(stream, 'data')
        stream.write(Buffer.from(line))
        expect(String((await heard)[0])).toBe(line)
      }
      const ended = once(stream, 'end')
      stream.end()
      await ended
    } finally {
      client.close()
    }
  })

  test('each request is in the access log, with where it went', async () => {
    await ask('web.example', { path: '/looked-for' })
    expect(await readFile(join(dir, 'access.log'), 'utf8')).toMatch(
      /"GET \/looked-for HTTP\/1.1" 200 .*web\.example default_web_web/,
    )
  })
})
