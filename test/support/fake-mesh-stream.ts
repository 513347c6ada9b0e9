import type { MeshStream } from '../../src/mesh/mesh.ts'

/** Bytes that a writer may be ahead of its reader. */
const windowBytes = 256 * 1024

interface Pipe {
  chunks: Uint8Array[]
  bytes: number
  ended: boolean
  wake: Set<() => void>
}

const pipe = (): Pipe => ({ chunks: [], bytes: 0, ended: false, wake: new Set() })

function wakeAll({ wake }: Pipe): void {
  const waiting = [...wake]
  wake.clear()
  for (const run of waiting) run()
}

/** The two ends of a byte stream. Closing either closes both. */
export function streamPair(): [MeshStream, MeshStream] {
  const pipes = [pipe(), pipe()] as const
  const closing = new AbortController()
  const close = (error?: Error) => {
    if (closing.signal.aborted) return
    closing.abort(error ?? new Error('the stream was closed'))
    pipes.forEach(wakeAll)
  }
  const wait = (on: Pipe) => new Promise<void>((resolve) => void on.wake.add(resolve))

  const end = (out: Pipe, into: Pipe): MeshStream => ({
    async write(data) {
      while (out.bytes >= windowBytes && !closing.signal.aborted) await wait(out)
      closing.signal.throwIfAborted()
      out.chunks.push(data.slice())
      out.bytes += data.length
      wakeAll(out)
    },
    end() {
      out.ended = true
      wakeAll(out)
      return Promise.resolve()
    },
    source: {
      async *[Symbol.asyncIterator]() {
        for (;;) {
          const chunk = into.chunks.shift()
          if (chunk) {
            into.bytes -= chunk.length
            wakeAll(into)
            yield chunk
          } else if (into.ended) {
            return
          } else {
            closing.signal.throwIfAborted()
            await wait(into)
          }
        }
      },
    },
    close,
    closed: closing.signal,
  })
  return [end(pipes[0], pipes[1]), end(pipes[1], pipes[0])]
}
