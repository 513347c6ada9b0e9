import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'

/** What makes a machine this machine: kept across restarts, never shared, never copied to another machine. */
export interface NodeIdentity {
  nodeName: string
  /** libp2p protobuf of the Ed25519 private key, base64. */
  privateKey: string
  /** libp2p peer id of that key, as text. */
  peerId: string
}

/** A new Ed25519 identity. */
export async function createNodeIdentity(nodeName: string): Promise<NodeIdentity> {
  const key = await generateKeyPair('Ed25519')
  return {
    nodeName,
    privateKey: Buffer.from(privateKeyToProtobuf(key)).toString('base64'),
    peerId: peerIdFromPrivateKey(key).toString(),
  }
}

/** The libp2p key of an identity, as `createLibp2p({ privateKey })` takes it. */
export function libp2pKeyOf(identity: NodeIdentity): PrivateKey {
  return privateKeyFromProtobuf(Buffer.from(identity.privateKey, 'base64'))
}
