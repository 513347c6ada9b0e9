import { errors } from '../api/status-error.ts'
import { assert } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import { readFrames } from './framing.ts'
import { meshLimits } from './limits.ts'
import { decodeLinkFrame, encodeLinkFrame, linkFrameOverhead, toStatusError, type LinkFrame } from './link-frames.ts'
import type { MeshStream } from './mesh.ts'

/** The asking end of a kept stream: one-way messages and requests of one protocol to one peer. */
export interface Link {
  /** False when the queue is full: the message was dropped. */
  send(body: Uint8Array): boolean
  request(body: Uint8Array, options: { signal?: AbortSignal; timeoutMs: number }): Promise<Uint8Array>
  /** Fails everything that waits. The next use opens a new stream. */
  reset(error: Error): void
}

interface Waiting {
  resolve(body: Uint8Array): void
  reject(error: Error): void
  /** Whether the request may have reached the peer. */
  written: boolean
}

interface Queued {
  readonly bytes: Uint8Array
  readonly requestId?: number
}

/** How long opening the stream may take before everything queued behind it fails. */
const openTimeoutMs = 5_000

/**
 * Opens the stream on first use and again after it broke; nothing is ever sent twice. Requests that were queued but
 * not written fail with ServiceUnavailable, those written with Timeout (their outcome is unknown).
 */
export function createLink(options: {
  /** Names the peer in errors. */
  name: string
  clock: Clock
  open(signal: AbortSignal): Promise<MeshStream>
}): Link {
  const { name, clock } = options
  const waiting = new Map<number, Waiting>()
  let queue: Queued[] = []
  let queuedBytes = 0
  let nextId = 0
  let stream: MeshStream | undefined
  let pumping = false

  const unreachable = (why: string) => errors.unavailable(`cannot reach ${name}: ${why}`)

  function fail(error: Error): void {
    stream?.close(error)
    stream = undefined
    queue = []
    queuedBytes = 0
    const all = [...waiting.values()]
    waiting.clear()
    for (const one of all) {
      one.reject(
        one.written ? errors.unknownOutcome(`no answer from ${name}: ${error.message}`) : unreachable(error.message),
      )
    }
  }

  async function receive(from: MeshStream): Promise<void> {
    try {
      for await (const bytes of readFrames(from.source, meshLimits.body + linkFrameOverhead)) {
        const frame = decodeLinkFrame(bytes)
        if (frame.kind !== 'response' && frame.kind !== 'failure') throw new Error(`unexpected ${frame.kind} frame`)
        const one = waiting.get(frame.id)
        waiting.delete(frame.id)
        if (frame.kind === 'response') one?.resolve(frame.body)
        else one?.reject(frame.error)
      }
      if (stream === from) fail(new Error('the peer closed the stream'))
    } catch (error) {
      if (stream === from) fail(error as Error)
      else from.close(error as Error)
    }
  }

  async function openStream(): Promise<MeshStream> {
    const deadline = new AbortController()
    const timer = clock.after(openTimeoutMs, () => deadline.abort(new Error(`no stream within ${openTimeoutMs} ms`)))
    try {
      return await options.open(deadline.signal)
    } finally {
      timer.cancel()
    }
  }

  async function pump(): Promise<void> {
    if (pumping) return
    pumping = true
    try {
      while (queue.length > 0) {
        if (!stream || stream.closed.aborted) {
          const opened = await openStream()
          stream = opened
          void receive(opened)
        }
        const next = queue.shift()
        if (!next) break
        queuedBytes -= next.bytes.length
        const asked = next.requestId === undefined ? undefined : waiting.get(next.requestId)
        // Given up by its caller before it was sent.
        if (next.requestId !== undefined && !asked) continue
        if (asked) asked.written = true
        await stream.write(next.bytes)
      }
    } catch (error) {
      fail(error as Error)
    } finally {
      pumping = false
    }
    if (queue.length > 0) void pump()
  }

  function enqueue(frame: LinkFrame): boolean {
    const bytes = encodeLinkFrame(frame)
    if (queue.length >= meshLimits.queuedFrames || queuedBytes + bytes.length > meshLimits.queuedBytes) return false
    queue.push({ bytes, requestId: frame.kind === 'request' ? frame.id : undefined })
    queuedBytes += bytes.length
    void pump()
    return true
  }

  return {
    send(body) {
      assert(body.length <= meshLimits.message, `message of ${body.length} bytes exceeds ${meshLimits.message}`)
      return enqueue({ kind: 'message', body })
    },
    request(body, { signal, timeoutMs }) {
      assert(body.length <= meshLimits.body, `request of ${body.length} bytes exceeds ${meshLimits.body}`)
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const id = (nextId = (nextId + 1) >>> 0)
        const settle = () => {
          waiting.delete(id)
          timer.cancel()
          signal?.removeEventListener('abort', onAbort)
        }
        const giveUp = (error: (written: boolean) => Error) => {
          const written = waiting.get(id)?.written ?? false
          settle()
          if (written) enqueue({ kind: 'cancel', id })
          reject(error(written))
        }
        const late = `no answer within ${timeoutMs} ms`
        const timer = clock.after(timeoutMs, () =>
          giveUp((written) => (written ? errors.unknownOutcome(`${late} from ${name}`) : unreachable(late))),
        )
        const onAbort = () => giveUp(() => signal?.reason as Error)
        signal?.addEventListener('abort', onAbort, { once: true })
        waiting.set(id, {
          written: false,
          resolve(answer) {
            settle()
            resolve(answer)
          },
          reject(error) {
            settle()
            reject(error)
          },
        })
        if (!enqueue({ kind: 'request', id, timeoutMs, body })) giveUp(() => unreachable('its queue is full'))
      })
    },
    reset: fail,
  }
}

export interface LinkHandlers {
  message?(body: Uint8Array): void
  request?(body: Uint8Array, signal: AbortSignal): Promise<Uint8Array>
}

/** The answering end: serves one kept stream until it ends. Never rejects; a broken peer only loses its stream. */
export async function serveLink(stream: MeshStream, clock: Clock, handlers: LinkHandlers): Promise<void> {
  const serving = new Map<number, AbortController>()
  let slotFree = () => {}

  async function answer(id: number, timeoutMs: number, body: Uint8Array): Promise<void> {
    const controller = new AbortController()
    serving.set(id, controller)
    const timer = clock.after(timeoutMs, () => controller.abort(errors.unknownOutcome('the deadline has passed')))
    let reply: LinkFrame
    try {
      if (!handlers.request) throw errors.unavailable('nobody serves requests of this protocol here')
      const answered = await handlers.request(body, controller.signal)
      assert(answered.length <= meshLimits.body, `answer of ${answered.length} bytes exceeds ${meshLimits.body}`)
      reply = { kind: 'response', id, body: answered }
    } catch (error) {
      reply = { kind: 'failure', id, error: toStatusError(error) }
    } finally {
      timer.cancel()
    }
    // A request that was cancelled has nobody waiting for its answer.
    const wanted = serving.get(id) === controller
    try {
      if (wanted) await stream.write(encodeLinkFrame(reply))
    } catch (error) {
      stream.close(error as Error)
    } finally {
      if (serving.get(id) === controller) serving.delete(id)
      slotFree()
    }
  }

  try {
    for await (const bytes of readFrames(stream.source, meshLimits.body + linkFrameOverhead)) {
      const frame = decodeLinkFrame(bytes)
      if (frame.kind === 'message') handlers.message?.(frame.body)
      else if (frame.kind === 'cancel') {
        serving.get(frame.id)?.abort(new Error('cancelled by the peer'))
        serving.delete(frame.id)
      } else if (frame.kind === 'request') {
        void answer(frame.id, frame.timeoutMs, frame.body)
        while (serving.size >= meshLimits.servedRequests) await new Promise<void>((resolve) => (slotFree = resolve))
      } else throw new Error(`unexpected ${frame.kind} frame`)
    }
    stream.close()
  } catch (error) {
    stream.close(error as Error)
  } finally {
    for (const controller of serving.values()) controller.abort(new Error('the peer is gone'))
    serving.clear()
  }
}
