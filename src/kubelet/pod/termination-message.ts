import { open } from 'node:fs/promises'
import type { Pod } from '../../api/kinds.ts'
import type { RuntimeContainer } from '../../runtime/runtime.ts'
import { containersOf } from '../core/pod-view.ts'
import { podPaths } from '../volumes/pod-paths.ts'
import type { PodContext } from './pod-context.ts'

/** Upstream's limits: of the file, and of the logs that stand in for it. */
const maxMessageBytes = 4_096
const maxFallbackBytes = 2_048
const maxFallbackLines = 80
const logTimeoutMs = 5_000

/** What an ended container says of its end: its file, or by policy the end of its logs. Never throws. */
export async function terminationMessage(context: PodContext, pod: Pod, instance: RuntimeContainer): Promise<string> {
  const found = containersOf(pod.spec ?? { containers: [] }).find(({ container }) => container.name === instance.name)
  const path = podPaths(context.options.dataDir, instance.pod.uid).terminationLog(instance.name, instance.attempt)
  const message = await readStart(path)
  const fallback = found?.container.terminationMessagePolicy === 'FallbackToLogsOnError'
  if (message !== '' || !fallback || instance.exitCode === 0) return message
  return logTail(context, instance.id).catch(() => '')
}

async function readStart(path: string): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined) return ''
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(maxMessageBytes), 0, maxMessageBytes, 0)
    return buffer.subarray(0, bytesRead).toString('utf8')
  } finally {
    await file.close()
  }
}

async function logTail(context: PodContext, id: string): Promise<string> {
  const options = { follow: false, stdout: true, stderr: true, tailLines: maxFallbackLines }
  let tail = Buffer.alloc(0)
  for await (const { data } of context.options.runtime.logs(id, options, AbortSignal.timeout(logTimeoutMs))) {
    tail = Buffer.concat([tail, data])
    if (tail.length > maxFallbackBytes) tail = tail.subarray(tail.length - maxFallbackBytes)
  }
  return tail.toString('utf8')
}
