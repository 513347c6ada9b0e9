import { errors } from '../api/status-error.ts'
import type { Clock } from '../lib/clock.ts'
import { underSignals } from '../lib/under-signals.ts'
import type { Channels } from '../streams/channels.ts'
import type { NodeAccess, NodeRequest, NodeServer } from '../streams/node-access.ts'
import { channelPair } from './channel-pair.ts'
import { encodeFrame, splitFirstFrame } from './framing.ts'
import { decodeStatus, encodeStatus, toStatusError } from './link-frames.ts'
import type { Mesh, MeshStream, PeerId } from './mesh.ts'
import { streamChannels } from './stream-channels.ts'

const protocol = 'node'
/** A request is a command line and names at most; far below what an API server accepts. */
const maxRequestLength = 1024 * 1024
/** A server that neither fails nor touches its channels for so long is taken to have accepted (a quiet `log -f`). */
const acceptAfterMs = 500
const openTimeoutMs = 10_000

export interface NodeAccessOptions {
  mesh: Pick<Mesh, 'openStream' | 'onStream'>
  clock: Clock
  /** Name of this node: requests to it do not leave the process. */
  self: string
  /** The peer of a node, undefined when no member has that name. */
  peerOf(nodeName: string): PeerId | undefined
  /** What serves this node's own requests and those of others. */
  server: NodeServer
}

/**
 * Reaches the NodeServer of any node over the mesh, and serves this node's to the others. After the header (the
 * request as JSON) the serving node answers one frame, empty when accepted or a `metav1.Status`, then channels begin.
 * Must be built before requests arrive: it registers the stream handler.
 */
export function meshNodeAccess(options: NodeAccessOptions): NodeAccess {
  const { mesh, clock, server } = options
  mesh.onStream(protocol, (_from, stream) => void serveStream(stream))

  async function serveStream(stream: MeshStream): Promise<void> {
    let request: NodeRequest
    let channels: Channels
    try {
      const { first, rest } = await splitFirstFrame(stream.source, maxRequestLength)
      request = JSON.parse(new TextDecoder().decode(first)) as NodeRequest
      channels = streamChannels({ ...stream, source: rest })
    } catch (error) {
      return stream.close(error as Error)
    }
    const outcome = await startServing(request, channels)
    try {
      if ('error' in outcome) {
        await stream.write(encodeFrame(encodeStatus(toStatusError(outcome.error))))
        return stream.close()
      }
      await stream.write(encodeFrame())
      outcome.release()
    } catch (error) {
      stream.close(error as Error)
    }
  }

  /**
   * Starts the server and waits until it has failed or accepted. The server's first use of its channels is held back
   * until `release`, so that the acceptance goes out before any frame.
   */
  function startServing(request: NodeRequest, channels: Channels): Promise<{ release(): void } | { error: unknown }> {
    return new Promise((resolve) => {
      let release = () => {}
      const released = new Promise<void>((go) => (release = go))
      const closeOnceReleased = async (error?: Error) => {
        await released
        channels.close(error)
      }
      const accept = () => {
        timer.cancel()
        resolve({ release })
      }
      const timer = clock.after(acceptAfterMs, accept)
      const gated: Channels = {
        async write(channel, data) {
          accept()
          await released
          await channels.write(channel, data)
        },
        async end(channel) {
          accept()
          await released
          await channels.end(channel)
        },
        frames: {
          [Symbol.asyncIterator]() {
            accept()
            return channels.frames[Symbol.asyncIterator]()
          },
        },
        close(error) {
          accept()
          void closeOnceReleased(error)
        },
        closed: channels.closed,
      }
      server.serve(request, gated, channels.closed).then(
        () => gated.close(),
        (error: unknown) => {
          timer.cancel()
          // Does nothing when it was accepted before; then the failure travels on the channels.
          resolve({ error })
          void closeOnceReleased(toStatusError(error))
        },
      )
    })
  }

  async function openLocal(request: NodeRequest): Promise<Channels> {
    const [ours, theirs] = channelPair()
    const outcome = await startServing(request, theirs)
    if ('error' in outcome) {
      theirs.close()
      throw toStatusError(outcome.error)
    }
    outcome.release()
    return ours
  }

  async function openRemote(peer: PeerId, request: NodeRequest, signal: AbortSignal): Promise<Channels> {
    const deadline = new AbortController()
    const timer = clock.after(openTimeoutMs, () => deadline.abort(errors.unavailable('the node does not answer')))
    try {
      return await underSignals([signal, deadline.signal], (either) => openStream(peer, request, either))
    } finally {
      timer.cancel()
    }
  }

  /** `signal` ends the opening; what was opened outlives it. */
  async function openStream(peer: PeerId, request: NodeRequest, signal: AbortSignal): Promise<Channels> {
    const stream = await mesh.openStream(peer, protocol, signal)
    const abort = () => stream.close(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    try {
      await stream.write(encodeFrame(new TextEncoder().encode(JSON.stringify(request))))
      const { first, rest } = await splitFirstFrame(stream.source, maxRequestLength)
      if (first.length > 0) throw decodeStatus(first)
      return streamChannels({ ...stream, source: rest })
    } catch (error) {
      stream.close(error as Error)
      throw signal.aborted ? signal.reason : error
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  return {
    async open(nodeName, request, signal) {
      signal.throwIfAborted()
      let channels: Channels
      if (nodeName === options.self) channels = await openLocal(request)
      else {
        const peer = options.peerOf(nodeName)
        if (!peer) throw errors.notFound({ group: '', resource: 'nodes' }, nodeName)
        try {
          channels = await openRemote(peer, request, signal)
        } catch (error) {
          if (signal.aborted) throw signal.reason
          throw error instanceof Error && error.name === 'StatusError'
            ? error
            : errors.unavailable(`node ${nodeName} cannot be reached: ${(error as Error).message}`)
        }
      }
      const abort = () => channels.close(signal.reason instanceof Error ? signal.reason : undefined)
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort, { once: true })
      channels.closed.addEventListener('abort', () => signal.removeEventListener('abort', abort), { once: true })
      return channels
    },
  }
}
