import type { Stream } from '@libp2p/interface'
import type { Clock } from '../lib/clock.ts'
import type { MeshStream } from './mesh.ts'

/** Unread bytes at which the sender is told to pause, and those at which it may go on. */
const pauseAboveBytes = 256 * 1024
const resumeBelowBytes = 64 * 1024
/** A write resolves once fewer bytes than this wait in libp2p's own buffer. */
const unsentBytes = 256 * 1024
const chunkBytes = 64 * 1024
/** How long a gracefully closed stream waits for the peer to close its half. */
const lingerMs = 10_000

/**
 * A {@link MeshStream} over a libp2p stream. libp2p's own iterator reads without back-pressure and its `onDrain`
 * resolves at once after its first use, so both are done here on its events.
 */
export function wrapStream(stream: Stream, clock: Clock): MeshStream {
  const closed = new AbortController()
  const reader = createReader(stream)
  stream.addEventListener('close', (event) => closed.abort(event.error), { once: true })

  async function write(data: Uint8Array): Promise<void> {
    for (let offset = 0; offset < data.length || offset === 0; offset += chunkBytes) {
      if (closed.signal.aborted) throw closedError(closed.signal)
      if (data.length > 0) stream.send(data.subarray(offset, offset + chunkBytes))
      while (stream.writeBufferLength > unsentBytes) {
        await room(stream)
        if (closed.signal.aborted) throw closedError(closed.signal)
      }
    }
  }

  return {
    write,
    async end() {
      if (stream.writeStatus === 'writable') await stream.close()
    },
    source: reader,
    close(error) {
      if (stream.status !== 'open' && stream.status !== 'closing') return
      if (error) return stream.abort(error)
      const timer = clock.after(lingerMs, () => stream.abort(new Error('peer did not close its half in time')))
      stream.addEventListener('close', () => timer.cancel(), { once: true })
      void finishWriting(stream)
      reader.discard()
    },
    closed: closed.signal,
  }
}

async function finishWriting(stream: Stream): Promise<void> {
  try {
    await stream.close()
  } catch (error) {
    stream.abort(error as Error)
  }
}

function closedError(signal: AbortSignal): Error {
  return signal.reason instanceof Error && signal.reason.name !== 'AbortError'
    ? signal.reason
    : new Error('stream is closed')
}

/** Resolves when the stream's write buffer has shrunk, or the stream is gone. */
function room(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    const events = ['drain', 'idle', 'close'] as const
    const done = () => {
      for (const event of events) stream.removeEventListener(event, done)
      // libp2p refills the transport in a microtask after 'drain'; look at the buffer only after that.
      setImmediate(resolve)
    }
    for (const event of events) stream.addEventListener(event, done)
  })
}

/** Single-consumer reader that pauses the sender while its consumer is behind. */
function createReader(stream: Stream): AsyncIterable<Uint8Array> & { discard(): void } {
  const queue: Uint8Array[] = []
  let queuedBytes = 0
  let ended = false
  let discarding = false
  let resuming = false
  let failure: Error | undefined
  let wake = () => {}

  function pauseIfBehind(): void {
    if (queuedBytes > pauseAboveBytes && stream.readStatus === 'readable') stream.pause()
  }

  /**
   * Resuming delivers what was buffered and only then opens the window. A pause in between would be undone by that, and
   * the sender go on against a reader that takes nothing, until libp2p resets the stream.
   */
  function resume(): void {
    if (stream.readStatus !== 'paused') return
    resuming = true
    try {
      stream.resume()
    } finally {
      resuming = false
    }
    pauseIfBehind()
  }

  const finish = (error?: Error) => {
    ended = true
    failure ??= error
    wake()
  }
  stream.addEventListener('end', () => finish(), { once: true })
  stream.addEventListener('close', (event) => {
    // Without an error, what is still buffered is delivered and 'end' follows.
    if (event.error) finish(event.error)
    else if (stream.readBufferLength === 0) finish()
  })
  stream.addEventListener('message', (event) => {
    if (discarding) return
    const data = event.data.subarray()
    queue.push(data)
    queuedBytes += data.length
    if (!resuming) pauseIfBehind()
    wake()
  })
  if (stream.readableEnded) ended = true

  async function* read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = queue.shift()
      if (chunk) {
        queuedBytes -= chunk.length
        if (queuedBytes < resumeBelowBytes) resume()
        yield chunk
      } else if (ended) {
        if (failure) throw failure
        return
      } else {
        await new Promise<void>((resolve) => (wake = resolve))
      }
    }
  }
  return {
    [Symbol.asyncIterator]: read,
    /** Nobody reads any more: let the rest of the peer's data pass, so that its end arrives. */
    discard() {
      discarding = true
      queue.length = 0
      queuedBytes = 0
      if (stream.readStatus === 'paused') stream.resume()
      finish()
    },
  }
}
