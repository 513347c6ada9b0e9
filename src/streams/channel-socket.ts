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
      channels.write(channel, chunk).then(() => done(), done)
    },
    final(done) {
      channels.end(channel).then(() => done(), done)
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
