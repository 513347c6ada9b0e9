import { Duplex } from 'node:stream'
import type { Channels } from './channels.ts'

/** A byte stream over one channel: what an HTTP client takes for a connected socket. */
export function channelSocket(channels: Channels, channel: number): Duplex {
  const frames = channels.frames[Symbol.asyncIterator]()
  const socket = new Duplex({
    allowHalfOpen: true,
    read() {
      void pull()
    },
    write(chunk: Uint8Array, _encoding, done) {
      void settle(channels.write(channel, chunk), done)
    },
    final(done) {
      void settle(channels.end(channel), done)
    },
    destroy(error, done) {
      channels.close(error ?? undefined)
      done(error)
    },
  })

  let pulling = false
  async function pull(): Promise<void> {
    if (pulling) return
    pulling = true
    try {
      while (true) {
        const { value, done } = await frames.next()
        if (done || (value.channel === channel && value.data === undefined)) {
          socket.push(null)
          return
        }
        if (value.channel === channel && value.data && !socket.push(value.data)) break
      }
    } catch (error) {
      socket.destroy(error as Error)
    } finally {
      pulling = false
    }
  }
  // What HTTP clients call on the sockets that they get.
  return Object.assign(socket, {
    setTimeout: () => socket,
    setNoDelay: () => socket,
    setKeepAlive: () => socket,
    ref: () => socket,
    unref: () => socket,
  })
}

/** A promise as the callback that streams want. */
async function settle(work: Promise<void>, done: (error?: Error | null) => void): Promise<void> {
  let failure: Error | undefined
  try {
    await work
  } catch (error) {
    failure = error as Error
  }
  done(failure)
}
