import type { Duplex } from 'node:stream'
import type Docker from 'dockerode'
import type { Clock } from '../../lib/clock.ts'
import type { Channels } from '../../streams/channels.ts'
import { RuntimeError, type ExecResult, type StreamOptions } from '../runtime.ts'
import { asking } from './docker-error.ts'
import { demultiplex } from './stream-frames.ts'
import { joinStreams } from './streams.ts'

interface OpenExec {
  readonly exec: Docker.Exec
  readonly socket: Duplex
}

function openExec(
  docker: Docker,
  id: string,
  command: readonly string[],
  streams: StreamOptions,
  signal: AbortSignal,
): Promise<OpenExec> {
  return asking(async () => {
    const exec = await docker.getContainer(id).exec({
      Cmd: [...command],
      AttachStdin: streams.stdin,
      AttachStdout: streams.stdout,
      AttachStderr: streams.stderr && !streams.tty,
      Tty: streams.tty,
      abortSignal: signal,
    })
    const socket = await exec.start({ hijack: true, stdin: true, Tty: streams.tty })
    return { exec, socket }
  })
}

/** Docker closes the streams a moment before it records the exit code. */
const exitCodePollMs = 20
const exitCodePolls = 50

async function exitCodeOf(exec: Docker.Exec, clock: Clock): Promise<number> {
  for (let attempt = 0; attempt < exitCodePolls; attempt++) {
    const info = await asking(() => exec.inspect())
    if (!info.Running && info.ExitCode !== null) return info.ExitCode
    await new Promise<void>((resolve) => clock.after(exitCodePollMs, resolve))
  }
  throw new RuntimeError('failed', 'the process closed its output but did not end within 1 s')
}

/** Docker cannot end an exec: its process is killed by the id that Docker gives, in the daemon's PID namespace. */
async function killExec(exec: Docker.Exec): Promise<void> {
  const info = await exec.inspect().catch(() => undefined)
  if (info?.Running && info.Pid > 1) {
    try {
      process.kill(info.Pid, 'SIGKILL')
    } catch {
      // It has ended meanwhile, or the daemon lives in another PID namespace.
    }
  }
}

/** Connects the channels to a new process in the container; resolves with its exit code. */
export async function execInteractive(
  docker: Docker,
  clock: Clock,
  id: string,
  command: readonly string[],
  streams: StreamOptions,
  channels: Channels,
  signal: AbortSignal,
): Promise<number> {
  const { exec, socket } = await openExec(docker, id, command, streams, signal)
  const resize = (columns: number, rows: number): Promise<void> => exec.resize({ w: columns, h: rows })
  await joinStreams(socket, streams, channels, resize, signal)
  return exitCodeOf(exec, clock)
}

/** Runs a process in the container to its end; when the signal fires it is killed and the call rejects. */
export async function execToEnd(
  docker: Docker,
  clock: Clock,
  id: string,
  command: readonly string[],
  maxOutputBytes: number,
  signal: AbortSignal,
): Promise<ExecResult> {
  const streams = { stdin: false, stdout: true, stderr: true, tty: false }
  const { exec, socket } = await openExec(docker, id, command, streams, signal)
  const abort = (): void => {
    void killExec(exec)
    socket.destroy()
  }
  socket.on('error', () => {})
  signal.addEventListener('abort', abort, { once: true })
  let output = Buffer.alloc(0)
  try {
    for await (const { data } of demultiplex(socket, false)) {
      if (output.length < maxOutputBytes)
        output = Buffer.concat([output, data.subarray(0, maxOutputBytes - output.length)])
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
  signal.throwIfAborted()
  return { exitCode: await exitCodeOf(exec, clock), output: output.toString() }
}
