import { generateKeyPair, privateKeyFromProtobuf, privateKeyFromRaw, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { assert } from '../lib/assert.ts'
import type { PeerId } from './mesh.ts'

/** A new Ed25519 private key in libp2p's protobuf form: what {@link createMesh} takes as `identity`. */
export async function createIdentity(): Promise<Uint8Array> {
  return privateKeyToProtobuf(await generateKeyPair('Ed25519'))
}

/** The peer id that goes with a private key; see {@link decodeIdentity} for its forms. */
export function peerIdOf(identity: Uint8Array): PeerId {
  return peerIdFromPrivateKey(decodeIdentity(identity)).toString()
}

/** Reads a private key in libp2p's protobuf form, or as the 64 raw bytes of Ed25519 (private then public). */
export function decodeIdentity(identity: Uint8Array): Ed25519PrivateKey {
  const key = identity.length === 64 ? privateKeyFromRaw(identity) : privateKeyFromProtobuf(identity)
  assert(key.type === 'Ed25519', `the node's key must be Ed25519, not ${key.type}`)
  return key
}

/**
 * The 32 bytes of the cluster's pre-shared key: themselves, 64 hex digits, or the text form of libp2p private networks
 * (specs/pnet: `/key/swarm/psk/1.0.0/`, `/base16/`, hex, each on a line), also as bytes of that text.
 */
export function decodeSwarmKey(psk: Uint8Array | string): Uint8Array {
  if (typeof psk !== 'string' && psk.length === 32) return psk
  const text = typeof psk === 'string' ? psk : Buffer.from(psk).toString('latin1')
  const hex = text.trim().split('\n').at(-1)?.trim() ?? ''
  assert(/^[0-9a-f]{64}$/i.test(hex), 'the pre-shared key must be 32 bytes')
  return new Uint8Array(Buffer.from(hex, 'hex'))
}
