import type { Pod } from '../../api/kinds.ts'
import { errors, StatusError } from '../../api/status-error.ts'
import { refs } from '../../client/client.ts'
import { channel, type Channels } from '../../streams/channels.ts'
import type { NodeRequest, NodeServer } from '../../streams/node-access.ts'
import type { RuntimeContainer } from '../../runtime/runtime.ts'
import { containersOf, instancesOf, newestSandbox } from '../core/pod-view.ts'
import type { PodContext } from '../pod/pod-context.ts'
import type { ImageServer } from '../images/image-server.ts'
import { createSemaphore } from '../semaphore.ts'
import { exitStatus, failureStatus } from './exec-status.ts'
import { streamLogs } from './log-stream.ts'
import { forwardFromNode, forwardIntoPod } from './port-forward.ts'
import type { StatsSummary } from './stats-summary.ts'
import { serveSystemLog } from './system-log.ts'

/** Images sent to peers at a time: each reads the disk and fills the line. */
const maxImagesSent = 2

const systemLogs = '/var/log'

type PodRequest = Exclude<NodeRequest, { kind: 'dial' | 'stats' | 'image' | 'imageBlob' | 'systemLog' }>

/** Serves what needs the containers themselves. Errors before the first byte are StatusErrors of the caller. */
export function createNodeServer(context: PodContext, summary: StatsSummary, images: ImageServer): NodeServer {
  const { options, observer } = context
  const { runtime } = options

  const sending = createSemaphore(maxImagesSent)

  function podOf(request: PodRequest): Pod {
    const pod = options.informers.for<Pod>(refs.pods).get(request.namespace, request.pod)
    if (pod?.metadata.uid !== request.uid || pod.spec?.nodeName !== options.nodeName) {
      throw errors.notFound(refs.pods, request.pod)
    }
    return pod
  }

  function instances(pod: Pod, name: string): RuntimeContainer[] {
    const known = containersOf(pod.spec ?? { containers: [] }).some(({ container }) => container.name === name)
    if (!known) throw errors.badRequest(`container ${name} is not valid for pod ${pod.metadata.name}`)
    return instancesOf({ observed: observer.of(pod.metadata.uid ?? '') }, name)
  }

  async function log(
    request: Extract<NodeRequest, { kind: 'log' }>,
    channels: Channels,
    signal: AbortSignal,
  ): Promise<void> {
    const pod = podOf(request)
    const { container, previous } = request.options
    const all = instances(pod, container).filter((one) => one.state !== 'created' && one.startedAtMs > 0)
    const chosen = previous ? previousOf(pod, container, all) : all[0]
    if (chosen === undefined) {
      const where = `container "${container}" in pod "${request.pod}"`
      if (previous) throw errors.badRequest(`previous terminated ${where} not found`)
      const status = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
      const reason = status.find((one) => one.name === container)?.state?.waiting?.reason ?? 'ContainerCreating'
      throw errors.badRequest(`${where} is waiting to start: ${reason}`)
    }
    await streamLogs(runtime, chosen.id, request.options, options.clock.nowMs(), channels, signal)
    await channels.end(channel.stdout)
  }

  /** What lastState tells of: while a restart is waited for, the instance that ended; else the one before the current. */
  function previousOf(pod: Pod, name: string, all: readonly RuntimeContainer[]): RuntimeContainer | undefined {
    const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
    const waits = statuses.find((one) => one.name === name)?.state?.waiting !== undefined
    return waits && all[0]?.state === 'exited' ? all[0] : all[1]
  }

  async function execOrAttach(
    request: Extract<NodeRequest, { kind: 'exec' | 'attach' }>,
    channels: Channels,
    signal: AbortSignal,
  ): Promise<void> {
    const pod = podOf(request)
    const [instance] = instances(pod, request.container)
    if (instance?.state !== 'running') {
      throw errors.badRequest(`container not found ("${request.container}"): it is not running`)
    }
    const streams = {
      stdin: request.stdin,
      stdout: request.stdout,
      stderr: request.stderr && !request.tty,
      tty: request.tty,
    }
    try {
      let exitCode = 0
      if (request.kind === 'exec')
        exitCode = await runtime.exec(instance.id, request.command, streams, channels, signal)
      else await runtime.attach(instance.id, streams, channels, signal)
      await finish(channels, exitStatus(exitCode))
    } catch (error) {
      if (signal.aborted || channels.closed.aborted) return
      const doing = request.kind === 'exec' ? 'executing command in' : 'attaching to'
      await finish(channels, failureStatus(`error ${doing} container: ${(error as Error).message}`))
    }
  }

  async function finish(channels: Channels, status: object): Promise<void> {
    await channels.write(channel.error, Buffer.from(JSON.stringify(status)))
    for (const one of [channel.stdout, channel.stderr, channel.error]) await channels.end(one)
  }

  async function portForward(
    request: Extract<NodeRequest, { kind: 'portForward' }>,
    channels: Channels,
    signal: AbortSignal,
  ): Promise<void> {
    const pod = podOf(request)
    const sandbox = newestSandbox({ observed: observer.of(request.uid) })
    if (sandbox?.state !== 'running') throw errors.badRequest(`pod ${request.pod} is not running`)
    try {
      if (pod.spec?.hostNetwork) await forwardFromNode('127.0.0.1', request.port, channels, signal)
      else await forwardIntoPod(sandbox.pid, request.port, channels, signal)
    } catch (error) {
      if (signal.aborted || channels.closed.aborted) return
      const message = `error forwarding port ${request.port} to pod ${request.pod}: ${(error as Error).message}`
      await channels.write(1, Buffer.from(message))
      await channels.end(1)
      await channels.end(0)
    }
  }

  return {
    async serve(request, channels, signal) {
      switch (request.kind) {
        case 'log':
          return log(request, channels, signal)
        case 'exec':
        case 'attach':
          return execOrAttach(request, channels, signal)
        case 'portForward':
          return portForward(request, channels, signal)
        case 'dial':
          return forwardFromNode(request.host, request.port, channels, signal).catch((error: unknown) => {
            throw new StatusError('ServiceUnavailable', (error as Error).message)
          })
        case 'image':
          return sending(() => images.offer(request.reference, channels, signal))
        case 'imageBlob':
          return sending(() => images.blob(request, channels))
        case 'systemLog':
          return serveSystemLog(systemLogs, request.path, channels, signal)
        case 'stats': {
          await channels.write(channel.stdout, Buffer.from(JSON.stringify(await summary.read(signal))))
          return channels.end(channel.stdout)
        }
      }
    },
  }
}
