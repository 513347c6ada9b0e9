import type { Channels, Frame } from '../../../src/streams/channels.ts'

/** The kubelet's end of an exchange, with what it wrote by channel. */
export interface MemoryChannels extends Channels {
  text(channel: number): string
  /** What the peer sends. */
  push(frame: Frame): void
  /** The peer sends nothing more. */
  finish(): void
}

export function memoryChannels(): MemoryChannels {
  const closing = new AbortController()
  const sent = new Map<number, Buffer>()
  const queue: Frame[] = []
  let finished = false
  let wake: (() => void) | undefined
  closing.signal.addEventListener('abort', () => wake?.())

  async function* frames(): AsyncGenerator<Frame> {
    for (;;) {
      const frame = queue.shift()
      if (frame !== undefined) yield frame
      else if (finished || closing.signal.aborted) return
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  }

  return {
    write: async (channel, data) => void sent.set(channel, Buffer.concat([sent.get(channel) ?? Buffer.alloc(0), data])),
    end: async () => {},
    frames: frames(),
    close: () => closing.abort(),
    closed: closing.signal,
    text: (channel) => (sent.get(channel) ?? '').toString(),
    push(frame) {
      queue.push(frame)
      wake?.()
    },
    finish() {
      finished = true
      wake?.()
    },
  }
}
