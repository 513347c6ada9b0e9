import type { PodLogOptions } from '../../api/pod-options.ts'
import { underSignals } from '../../lib/under-signals.ts'
import { channel, type Channels } from '../../streams/channels.ts'
import type { ContainerRuntime } from '../../runtime/runtime.ts'

/** Sends a container's log with all options of PodLogOptions; ends with the log, or with the container when following. */
export function streamLogs(
  runtime: ContainerRuntime,
  containerId: string,
  options: PodLogOptions,
  nowMs: number,
  channels: Channels,
  signal: AbortSignal,
): Promise<void> {
  return underSignals([signal, channels.closed], (stopped) =>
    sendLogs(runtime, containerId, options, nowMs, channels, stopped),
  )
}

async function sendLogs(
  runtime: ContainerRuntime,
  containerId: string,
  options: PodLogOptions,
  nowMs: number,
  channels: Channels,
  stopped: AbortSignal,
): Promise<void> {
  const stream = options.stream ?? 'All'
  let leftBytes = options.limitBytes ?? Infinity
  const since =
    options.sinceTime === undefined
      ? options.sinceSeconds === undefined
        ? undefined
        : nowMs - options.sinceSeconds * 1000
      : Date.parse(options.sinceTime)
  if (options.tailLines === 0 && !options.follow) return
  const entries = runtime.logs(
    containerId,
    {
      follow: options.follow === true,
      stdout: stream !== 'Stderr',
      stderr: stream !== 'Stdout',
      ...(since === undefined ? {} : { sinceMs: since }),
      ...(options.tailLines === undefined ? {} : { tailLines: options.tailLines }),
    },
    stopped,
  )
  let lineStart = true
  for await (const entry of entries) {
    let data = Buffer.from(entry.data)
    // A long line comes in several entries: only its start is stamped.
    if (options.timestamps && lineStart) data = Buffer.concat([Buffer.from(`${entry.timestamp} `), data])
    lineStart = data.at(-1) === 10
    const part = data.subarray(0, Math.min(data.length, leftBytes))
    leftBytes -= part.length
    await channels.write(channel.stdout, part)
    if (leftBytes <= 0) return
  }
}
