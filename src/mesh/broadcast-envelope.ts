import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { PeerId } from './mesh.ts'

/*
 * A broadcast is relayed by peers that did not write it, so it carries its author's signature. gossipsub's own signing
 * costs twice as much (it imports the key each time) and signs each hop's protobuf; this signs the author's bytes once.
 *
 * Layout: version (1) | author length (1) | author | nonce (16) | data | signature (64).
 * The nonce makes two equal payloads two messages, since a message's id is the hash of its bytes.
 */
const version = 1
const nonceLength = 16
const signatureLength = 64
const domain = new TextEncoder().encode('stormo/broadcast/1')

/** Signs broadcasts of one node. `bootNonce` is 8 random bytes, new at every start. */
export function createSealer(author: PeerId, key: Ed25519PrivateKey, bootNonce: Uint8Array) {
  const privateKey = createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'OKP',
      crv: 'Ed25519',
      d: Buffer.from(key.raw.subarray(0, 32)).toString('base64url'),
      x: Buffer.from(key.publicKey.raw).toString('base64url'),
    },
  })
  const authorBytes = new TextEncoder().encode(author)
  let counter = 0n
  return (data: Uint8Array): Uint8Array => {
    const head = 2 + authorBytes.length
    const sealed = new Uint8Array(head + nonceLength + data.length + signatureLength)
    sealed[0] = version
    sealed[1] = authorBytes.length
    sealed.set(authorBytes, 2)
    sealed.set(bootNonce.subarray(0, 8), head)
    new DataView(sealed.buffer).setBigUint64(head + 8, ++counter)
    sealed.set(data, head + nonceLength)
    const signed = sealed.subarray(0, sealed.length - signatureLength)
    sealed.set(sign(null, Buffer.concat([domain, signed]), privateKey), sealed.length - signatureLength)
    return sealed
  }
}

/** What a sealed broadcast says of itself, not yet verified; undefined when it is malformed. */
export function openEnvelope(sealed: Uint8Array): { author: PeerId; data: Uint8Array } | undefined {
  const authorLength = sealed[1] ?? 0
  const head = 2 + authorLength
  if (sealed[0] !== version || sealed.length < head + nonceLength + signatureLength) return undefined
  return {
    author: new TextDecoder().decode(sealed.subarray(2, head)),
    data: sealed.subarray(head + nonceLength, sealed.length - signatureLength),
  }
}

/** Checks authors' signatures, keeping a parsed key per author: `forget` it when the author is no longer a member. */
export function createVerifier() {
  const keys = new Map<PeerId, KeyObject>()
  const keyOf = (author: PeerId): KeyObject | undefined => {
    const known = keys.get(author)
    if (known) return known
    const peer = peerIdFromString(author)
    if (peer.type !== 'Ed25519') return undefined
    const x = Buffer.from(peer.publicKey.raw).toString('base64url')
    const key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } })
    keys.set(author, key)
    return key
  }
  return {
    /** True when `author` made exactly these bytes. */
    verify(author: PeerId, sealed: Uint8Array): boolean {
      const key = keyOf(author)
      if (!key) return false
      const end = sealed.length - signatureLength
      return verify(null, Buffer.concat([domain, sealed.subarray(0, end)]), key, sealed.subarray(end))
    },
    forget(author: PeerId): void {
      keys.delete(author)
    },
  }
}
