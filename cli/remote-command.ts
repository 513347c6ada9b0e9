import type { Readable, Writable } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Status } from '../src/api/kinds.ts'
import { type RestClient, statusErrorOf } from '../src/client/rest-client.ts'
import { channel } from '../src/streams/channels.ts'
import { UsageError } from './command.ts'

const protocol = 'v5.channel.k8s.io'
/** Version 5 closes a channel by a frame of this number and the channel's (KEP-4006). */
const closeChannel = 255
/** Input waits when so much is not yet sent. */
const maxUnsentBytes = 1024 * 1024

export interface RemoteStreams {
  stdin?: Readable
  stdout: Writable
  stderr: Writable
  /** A terminal whose size is told and whose keys are passed raw. */
  tty?: { stdin: NodeJS.ReadStream; stdout: NodeJS.WriteStream }
}

/**
 * Couples streams with a container's process (exec, attach) until the server says how it ended.
 * @returns the process' exit code
 * @throws StatusError when the server refuses, UsageError when the connection ends without a word
 */
export async function remoteCommand(
  client: RestClient,
  request: { path: string; query: Record<string, string | readonly string[] | undefined> },
  streams: RemoteStreams,
  signal: AbortSignal,
): Promise<number> {
  const socket = client.webSocket(request, [protocol])
  const close = (): void => socket.close()
  signal.addEventListener('abort', close, { once: true })
  const stopInput = coupleInput(socket, streams)
  try {
    return exitCodeOf(await readToEnd(socket, streams))
  } finally {
    stopInput()
    signal.removeEventListener('abort', close)
  }
}

/** Sends standard input and the terminal's size from the moment the socket is open; returns the way to stop. */
function coupleInput(socket: WebSocket, { stdin, tty }: RemoteStreams): () => void {
  const send = (number: number, data: Uint8Array | string): void => {
    if (socket.readyState !== socket.OPEN) return
    socket.send(Buffer.concat([Buffer.from([number]), Buffer.from(data)]), () => {
      if (stdin?.isPaused() && socket.bufferedAmount < maxUnsentBytes) stdin.resume()
    })
  }
  const resize = (): void =>
    send(channel.resize, JSON.stringify({ Width: tty?.stdout.columns, Height: tty?.stdout.rows }))
  const onInput = (data: Buffer): void => {
    send(channel.stdin, data)
    if (socket.bufferedAmount > maxUnsentBytes) stdin?.pause()
  }
  const onInputEnd = (): void => {
    if (socket.readyState === socket.OPEN) socket.send(Buffer.from([closeChannel, channel.stdin]))
  }
  socket.on('open', () => {
    tty?.stdin.setRawMode(true)
    if (tty) resize()
    tty?.stdout.on('resize', resize)
    stdin?.on('data', onInput).on('end', onInputEnd)
  })
  return () => {
    tty?.stdin.setRawMode(false)
    tty?.stdout.off('resize', resize)
    stdin?.off('data', onInput).off('end', onInputEnd)
    // A terminal that is still read keeps this process alive.
    stdin?.destroy()
  }
}

/** Passes output on until the connection ends; undefined when the server did not say how it ended. */
function readToEnd(socket: WebSocket, { stdout, stderr }: RemoteStreams): Promise<Status | undefined> {
  return new Promise((resolve, reject) => {
    let ended: Status | undefined
    const pass = (sink: Writable, data: Buffer): void => {
      if (sink.write(data)) return
      socket.pause()
      sink.once('drain', () => socket.resume())
    }
    socket.on('unexpected-response', (_request, answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => (text += chunk))
      answer.on('end', () => reject(statusErrorOf(answer.statusCode ?? 500, text)))
    })
    socket.on('message', (message: Buffer) => {
      const data = message.subarray(1)
      if (data.length === 0) return
      if (message[0] === channel.stdout) pass(stdout, data)
      else if (message[0] === channel.stderr) pass(stderr, data)
      else if (message[0] === channel.error) ended = JSON.parse(data.toString('utf8')) as Status
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(ended))
  })
}

export function exitCodeOf(ended: Status | undefined): number {
  if (ended?.status === 'Success') return 0
  const exitCode = ended?.details?.causes?.find((cause) => cause.reason === 'ExitCode')?.message
  if (exitCode !== undefined) return Number(exitCode)
  throw new UsageError(ended?.message ?? 'the connection was lost before the command ended')
}
