import { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

/** A WebSocket's binary messages as one byte stream: what carries SPDY through a tunnel (KEP-4006). */
export function webSocketDuplex(socket: WebSocket): Duplex {
  const duplex = new Duplex({
    read() {
      socket.resume()
    },
    write(chunk: Uint8Array, _encoding, done) {
      socket.send(chunk, { binary: true }, (error) => done(error ?? null))
    },
    final(done) {
      socket.close(1000)
      done()
    },
    destroy(error, done) {
      socket.terminate()
      done(error)
    },
  })
  socket.on('message', (message) => {
    const bytes = Array.isArray(message) ? Buffer.concat(message) : Buffer.from(message as Buffer)
    if (!duplex.push(bytes)) socket.pause()
  })
  socket.on('close', () => duplex.push(null))
  socket.on('error', (error) => duplex.destroy(error))
  return duplex
}
