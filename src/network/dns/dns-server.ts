import { createSocket, type Socket as UdpSocket, type SocketOptions } from 'node:dgram'
import { createServer, isIP, type Server, type Socket } from 'node:net'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Service } from '../../lib/service.ts'
import { createAnswerCache, readQuery, type QueryKey } from './answer-cache.ts'
import { answerMessage, type AnsweringOptions } from './answering.ts'

/** TCP connections at once, and how long one may be quiet (RFC 7766). */
const maxConnections = 256
const idleMs = 10_000
/** Questions of one TCP connection that are answered at once; more wait in the socket. */
const maxPipelined = 32
const retryListenMs = 1_000
/** Bursts of queries wait in the socket while the process does something else. */
const receiveBufferBytes = 1024 * 1024
/** A datagram that could not be sent is asked for again. */
const ignore = (): void => {}

export interface DnsServerOptions extends Omit<AnsweringOptions, 'cache'> {
  /** The bridge's address on a node, of either family. */
  address: string
  /** 53; 0 lets the system choose (tests). */
  port: number
  clock: Clock
  logger: Logger
}

/** Serves one address by UDP and TCP. `port` is known once started. */
export function createDnsServer(options: DnsServerOptions): Service & { port(): number } {
  const { address, clock, logger } = options
  const cache = createAnswerCache(options.view, options.config.domain, options.random)
  const answering = { ...options, cache }
  let udp: UdpSocket | undefined
  let tcp: Server | undefined
  let port = options.port
  const connections = new Set<Socket>()

  async function listen(): Promise<void> {
    // A client may close its half after its questions; it still gets the answers.
    const server = createServer({ allowHalfOpen: true }, onConnection)
    server.maxConnections = maxConnections
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: address, port: options.port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    const bound = server.address()
    if (bound !== null && typeof bound === 'object') port = bound.port
    // Peers are addresses: there is nothing to look up, and no turn of the event loop to lose by it.
    const family = isIP(address)
    const lookup: SocketOptions['lookup'] = (host, _options, found) => found(null, host, family)
    const type = family === 6 ? 'udp6' : 'udp4'
    const socket = createSocket({ type, lookup, recvBufferSize: receiveBufferBytes })
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.bind({ address, port }, () => {
          socket.off('error', reject)
          resolve()
        })
      })
    } catch (error) {
      server.close()
      throw error
    }
    server.on('error', (error) => logger.warn({ error: error.message }, 'DNS over TCP failed'))
    socket.on('error', (error) => logger.warn({ error: error.message }, 'DNS over UDP failed'))
    socket.on('message', (message, peer) => {
      const key = readQuery(message)
      const known = key && cache.find(key, message)
      if (known) socket.send(known, peer.port, peer.address, ignore)
      else void onDatagram(socket, message, peer, key)
    })
    udp = socket
    tcp = server
  }

  async function onDatagram(
    socket: UdpSocket,
    message: Buffer,
    peer: { address: string; port: number },
    key: QueryKey | undefined,
  ): Promise<void> {
    try {
      const answer = await answerMessage(message, 'udp', answering, key)
      if (answer) socket.send(answer, peer.port, peer.address, ignore)
    } catch (error) {
      logger.warn({ error: (error as Error).message }, 'a DNS question could not be answered')
    }
  }

  function onConnection(socket: Socket): void {
    connections.add(socket)
    socket.setTimeout(idleMs, () => socket.destroy())
    socket.on('close', () => connections.delete(socket))
    socket.on('error', () => socket.destroy())
    void serveConnection(socket)
  }

  async function serveConnection(socket: Socket): Promise<void> {
    const answering = new Set<Promise<void>>()
    try {
      let gathered = Buffer.alloc(0)
      for await (const chunk of socket) {
        gathered = Buffer.concat([gathered, chunk as Buffer])
        while (gathered.length >= 2 && gathered.length >= 2 + gathered.readUInt16BE(0)) {
          const end = 2 + gathered.readUInt16BE(0)
          const turn = answerOnConnection(socket, gathered.subarray(2, end))
          answering.add(turn)
          void turn.finally(() => answering.delete(turn))
          gathered = gathered.subarray(end)
          if (answering.size >= maxPipelined) await Promise.race(answering)
        }
      }
      await Promise.all(answering)
      socket.end()
    } catch {
      socket.destroy()
    }
  }

  async function answerOnConnection(socket: Socket, message: Buffer): Promise<void> {
    const answer = await answerMessage(message, 'tcp', answering)
    if (!answer || socket.destroyed) return
    const length = Buffer.alloc(2)
    length.writeUInt16BE(answer.length)
    socket.write(Buffer.concat([length, answer]))
  }

  return {
    port: () => port,
    async start() {
      try {
        await listen()
      } catch (error) {
        // Just after a restart the old agent may still hold the port.
        logger.warn({ error: (error as Error).message }, 'DNS cannot listen yet')
        await new Promise<void>((resolve) => clock.after(retryListenMs, resolve))
        await listen()
      }
    },
    async stop() {
      for (const socket of connections) socket.destroy()
      await Promise.all([
        new Promise<void>((resolve) => (tcp ? tcp.close(() => resolve()) : resolve())),
        new Promise<void>((resolve) => (udp ? udp.close(() => resolve()) : resolve())),
      ])
      tcp = undefined
      udp = undefined
    },
  }
}
