import { spawn, type ChildProcess } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { Channels } from '../../streams/channels.ts'

const dataChannel = 0
const errorChannel = 1
const connectTimeoutMs = 10_000

/** Joins channel 0 with a TCP connection made by the node itself. */
export async function forwardFromNode(
  host: string,
  port: number,
  channels: Channels,
  signal: AbortSignal,
): Promise<void> {
  const socket = await open(host, port, signal)
  await join(socket, socket, channels, signal, () => socket.destroy())
}

function open(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true, signal })
    socket.setTimeout(connectTimeoutMs, () => socket.destroy(new Error(`dial tcp ${host}:${port}: i/o timeout`)))
    socket.once('connect', () => {
      socket.setTimeout(0)
      resolve(socket)
    })
    socket.once('error', reject)
  })
}

/**
 * Run inside the pod's network namespace: it connects to the port on localhost, IPv4 then IPv6, and copies its standard
 * streams. A program of its own, because a process cannot enter a namespace for one socket only.
 */
const connector = `
const { connect } = require('node:net')
const port = Number(process.argv[1])
const run = (hosts) => {
  const socket = connect({ host: hosts[0], port, allowHalfOpen: true })
  let open = false
  socket.on('connect', () => { open = true; process.stdin.pipe(socket); socket.pipe(process.stdout) })
  // Ends with the server's side; standard output is a pipe, which Node writes synchronously.
  socket.on('end', () => setImmediate(() => process.exit(0)))
  socket.on('error', (error) => {
    if (!open && hosts.length > 1) return run(hosts.slice(1))
    process.stderr.write(error.message)
    process.exitCode = 1
    process.stdin.destroy()
  })
}
run(['127.0.0.1', '::1'])
`

/** Joins channel 0 with a port on the pod's own localhost. */
export async function forwardIntoPod(
  pid: number,
  port: number,
  channels: Channels,
  signal: AbortSignal,
): Promise<void> {
  const args = [`--net=/proc/${pid}/ns/net`, process.execPath, '-e', connector, String(port)]
  const child = spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text.slice(0, 1_000)))
  const ended = exit(child)
  await join(child.stdout, child.stdin, channels, signal, () => child.kill('SIGKILL'))
  const code = await ended
  if (code !== 0 && said !== '' && !signal.aborted && !channels.closed.aborted) {
    throw new Error(`failed to connect to localhost:${port} inside the pod: ${said.trim()}`)
  }
}

const exit = (child: ChildProcess): Promise<number> =>
  new Promise((resolve) => {
    child.on('error', () => resolve(127))
    child.on('close', (code) => resolve(code ?? 0))
  })

async function join(
  from: Readable,
  to: Writable,
  channels: Channels,
  signal: AbortSignal,
  destroy: () => void,
): Promise<void> {
  signal.addEventListener('abort', destroy, { once: true })
  channels.closed.addEventListener('abort', destroy, { once: true })
  from.on('error', () => {})
  to.on('error', () => {})
  const input = (async () => {
    for await (const frame of channels.frames) {
      if (frame.channel !== dataChannel) continue
      if (frame.data === undefined) to.end()
      else if (!to.write(frame.data)) await drained(to)
    }
    to.end()
  })().catch(() => {})
  try {
    for await (const chunk of from) await channels.write(dataChannel, chunk as Uint8Array)
    await channels.end(dataChannel)
    await channels.end(errorChannel)
  } catch (error) {
    if (!signal.aborted && !channels.closed.aborted) throw error
  } finally {
    signal.removeEventListener('abort', destroy)
    channels.closed.removeEventListener('abort', destroy)
    destroy()
    void input
  }
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    stream.once('drain', resolve)
    stream.once('close', resolve)
  })
}
