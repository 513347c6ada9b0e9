import { createServer, type Server, type Socket } from 'node:net'
import type { RestClient } from '../src/client/rest-client.ts'
import { statusErrorOf } from '../src/client/rest-client.ts'
import { type Io, UsageError } from './command.ts'

/** The plain channel protocol: channel 0 carries data, 1 an error text; each opens with the port as two bytes. */
const protocol = 'v4.channel.k8s.io'
/**
 * The protocol cannot say that one side has finished sending. After the local end has, the rest of the answer is
 * awaited for this long since its last byte.
 */
const lingerMs = 1000
const maxUnsentBytes = 1024 * 1024

export interface ForwardedPort {
  /** 0: any that is free. */
  local: number
  remote: number
}

/** `8080`, `8080:80`, `:80`. Throws UsageError. */
export function parseForward(text: string): ForwardedPort | { local: number; remoteName: string } {
  const [first = '', second] = text.split(':')
  const local = second === undefined ? first : first || '0'
  const remote = second ?? first
  const isPort = (port: string): boolean => /^\d{1,5}$/.test(port) && Number(port) <= 65_535
  if (!isPort(local) && second !== undefined) throw new UsageError(`error parsing local port "${local}": invalid port`)
  if (isPort(remote) && Number(remote) > 0) return { local: Number(local), remote: Number(remote) }
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(remote) || /^\d+$/.test(remote))
    throw new UsageError(`invalid port format '${text}'`)
  return { local: isPort(local) ? Number(local) : 0, remoteName: remote }
}

/** Listens on this machine and couples each connection with the pod's port; resolves with the way to stop. */
export async function listenForward(
  client: RestClient,
  path: string,
  forward: ForwardedPort,
  address: string,
  io: Io,
): Promise<() => void> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    io.out(`Handling connection for ${portOf(server)}\n`)
    couple(client, path, forward.remote, socket, io)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new UsageError(`unable to listen on port ${forward.local}: ${error.message}`)),
    )
    server.listen(forward.local, address, resolve)
  })
  const host = address.includes(':') ? `[${address}]` : address
  io.out(`Forwarding from ${host}:${portOf(server)} -> ${forward.remote}\n`)
  return () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

function couple(client: RestClient, path: string, port: number, socket: Socket, io: Io): void {
  const remote = client.webSocket({ path, query: { ports: String(port) } }, [protocol])
  const opened = new Set<number>()
  let linger: NodeJS.Timeout | undefined
  const finish = (): void => {
    clearTimeout(linger)
    linger = setTimeout(() => remote.close(), lingerMs)
  }
  const complain = (error: Error): void => {
    io.err(`error: an error occurred forwarding ${port}: ${error.message}\n`)
    socket.destroy()
  }
  socket.pause()
  remote.on('open', () => socket.resume())
  remote.on('error', complain)
  remote.on('unexpected-response', (_request, answer) => {
    let text = ''
    answer.setEncoding('utf8')
    answer.on('data', (chunk: string) => (text += chunk))
    answer.on('end', () => complain(statusErrorOf(answer.statusCode ?? 500, text)))
  })
  remote.on('message', (message: Buffer) => {
    const number = message[0] ?? 0
    // The first message of each channel only repeats the port.
    const data = opened.has(number) ? message.subarray(1) : message.subarray(3)
    opened.add(number)
    if (data.length === 0) return
    if (number === 1) return complain(new Error(data.toString('utf8')))
    if (linger) finish()
    if (!socket.write(data)) {
      remote.pause()
      socket.once('drain', () => remote.resume())
    }
  })
  remote.on('close', () => {
    clearTimeout(linger)
    socket.end()
  })
  socket.on('data', (data: Buffer) => {
    remote.send(Buffer.concat([Buffer.from([0]), data]), () => {
      if (remote.bufferedAmount < maxUnsentBytes) socket.resume()
    })
    if (remote.bufferedAmount > maxUnsentBytes) socket.pause()
  })
  socket.on('end', finish)
  socket.on('error', () => remote.close())
  socket.on('close', finish)
}
