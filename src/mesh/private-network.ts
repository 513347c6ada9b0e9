import { createCipheriv, createDecipheriv, hkdfSync, type Cipheriv, type Decipheriv } from 'node:crypto'
import type { ConnectionProtector, MessageStream, MultiaddrConnection } from '@libp2p/interface'
import { AbstractMultiaddrConnection, byteStream } from '@libp2p/utils'
import type { Random } from '../lib/clock.ts'

const nonceLength = 32
const exchangeTimeoutMs = 5_000
const purpose = 'stormo/private-network/1'

/**
 * Private networks as libp2p's specs/pnet has them: below Noise, every byte is enciphered with the cluster's key, so
 * that whoever lacks it cannot even begin a handshake. Each end sends a nonce in the clear; with it and the key each
 * direction has a cipher key of its own. Integrity is Noise's task.
 *
 * Not @libp2p/pnet itself: its cipher (xsalsa20 in WebAssembly) shares one memory among all connections, which grows
 * with every change between them once it has grown at all, until the process dies. AES-256-CTR of the platform is also
 * an order of magnitude faster. The two do not understand each other, and need not.
 */
export function privateNetwork(options: { psk: Uint8Array; random: Random }): () => ConnectionProtector {
  return () => ({
    async protect(connection, { signal = AbortSignal.timeout(exchangeTimeoutMs) } = {}) {
      const localNonce = options.random.bytes(nonceLength)
      const bytes = byteStream(connection)
      const [remote] = await Promise.all([
        bytes.read({ bytes: nonceLength, signal }),
        bytes.write(localNonce, { signal }),
      ])
      const outKey = directionKey(options.psk, localNonce)
      const inKey = directionKey(options.psk, remote.subarray())
      // A key is used for one direction of one connection, so the counter may begin at zero.
      const start = new Uint8Array(16)
      return new EncipheredConnection(
        bytes.unwrap() as MessageStream as MultiaddrConnection,
        createCipheriv('aes-256-ctr', outKey, start),
        createDecipheriv('aes-256-ctr', inKey, start),
      )
    },
  })
}

function directionKey(psk: Uint8Array, nonce: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', psk, nonce, purpose, 32))
}

/** A connection whose bytes pass through the two ciphers; everything else is the connection's below. */
class EncipheredConnection extends AbstractMultiaddrConnection {
  private readonly below: MultiaddrConnection
  private readonly encipher: Cipheriv

  constructor(below: MultiaddrConnection, encipher: Cipheriv, decipher: Decipheriv) {
    super({ remoteAddr: below.remoteAddr, direction: below.direction, log: below.log.newScope('private') })
    this.below = below
    this.encipher = encipher
    below.addEventListener('message', (event) => this.onData(decipher.update(event.data.subarray())))
    below.addEventListener('drain', () => this.onMuxerDrain())
    below.addEventListener('close', (event) => {
      if (!event.error) this.onTransportClosed()
      else if (event.local) this.abort(event.error)
      else this.onRemoteReset()
    })
  }

  override async sendClose(options?: { signal?: AbortSignal }): Promise<void> {
    await this.below.close(options)
  }

  override sendData(data: { byteLength: number; subarray(): Uint8Array }) {
    const { byteLength } = data
    return { sentBytes: byteLength, canSendMore: this.below.send(this.encipher.update(data.subarray())) }
  }

  override sendReset(error: Error): void {
    this.below.abort(error)
  }

  override sendPause(): void {
    this.below.pause()
  }

  override sendResume(): void {
    this.below.resume()
  }
}
