import { createHash } from 'node:crypto'
import { gossipsub, type GossipSub } from '@chainsafe/libp2p-gossipsub'
import { noise } from '@chainsafe/libp2p-noise'
import { identify, type Identify } from '@libp2p/identify'
import type { Ed25519PrivateKey, Libp2p } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import type { Random } from '../lib/clock.ts'
import { meshLimits } from './limits.ts'
import type { PeerId } from './mesh.ts'
import { privateNetwork } from './private-network.ts'
import { sparingYamux } from './window-updates.ts'

export type MeshNode = Libp2p<{ identify: Identify; pubsub: GossipSub }>

/** Bytes on top of a broadcast: author, nonce, signature, gossipsub's own fields. */
const envelopeSlack = 4 * 1024
/** A peer that does not keep up with gossip loses its stream, not our memory. */
const maxGossipBacklogBytes = 16 * 1024 * 1024
/** A paused stream may still receive one window; it must fit into the read buffer, or libp2p resets the stream. */
const streamWindowBytes = 1024 * 1024
const readBufferBytes = 4 * streamWindowBytes

/**
 * The libp2p node, not yet started: TCP, the cluster's pre-shared key below Noise, Yamux, gossipsub. What libp2p would
 * decide about connections by itself is off, because this mesh decides it: the connection monitor (cuts connections
 * under load), reconnect queues, limits on connections from one address, and peer scores, which have no place among
 * admitted members.
 */
export function createNode(options: {
  key: Ed25519PrivateKey
  /** 32 bytes. */
  psk: Uint8Array
  random: Random
  listen: readonly string[]
  announce: readonly string[]
  isMember(peer: PeerId): boolean
}): Promise<MeshNode> {
  const denied = (peer: { toString(): string }) => !options.isMember(peer.toString())
  return createLibp2p({
    start: false,
    privateKey: options.key,
    addresses: { listen: [...options.listen], announce: [...options.announce] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [
      sparingYamux({
        maxInboundStreams: meshLimits.streams,
        maxOutboundStreams: meshLimits.streams,
        maxEarlyStreams: 256,
        streamOptions: { maxStreamWindowSize: streamWindowBytes, maxReadBufferLength: readBufferBytes },
      }),
    ],
    connectionProtector: privateNetwork(options),
    connectionGater: {
      denyDialPeer: denied,
      denyDialMultiaddr: () => false,
      denyInboundEncryptedConnection: denied,
      denyOutboundEncryptedConnection: denied,
      denyInboundUpgradedConnection: denied,
      denyOutboundUpgradedConnection: denied,
    },
    connectionManager: {
      maxConnections: 100_000,
      inboundConnectionThreshold: 100_000,
      maxIncomingPendingConnections: 1_000,
      maxParallelDials: 64,
      reconnectRetries: 0,
    },
    connectionMonitor: { enabled: false },
    services: {
      identify: identify({ runOnConnectionOpen: true }),
      pubsub: gossipsub({
        globalSignaturePolicy: 'StrictNoSign',
        msgIdFn: (message) => createHash('sha256').update(message.data).digest().subarray(0, 20),
        allowPublishToZeroTopicPeers: true,
        ignoreDuplicatePublishError: true,
        emitSelf: false,
        doPX: false,
        // Backing off from a peer that left and came back would leave it without gossip for a minute.
        pruneBackoff: 1_000,
        unsubcribeBackoff: 1_000,
        maxInboundDataLength: 2 * meshLimits.broadcast + envelopeSlack,
        maxOutboundBufferSize: maxGossipBacklogBytes,
        maxInboundStreams: 16,
        maxOutboundStreams: 16,
        scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0 },
        scoreThresholds: {
          gossipThreshold: -1e9,
          publishThreshold: -1e9,
          graylistThreshold: -1e9,
          acceptPXThreshold: 1e9,
          opportunisticGraftThreshold: 0,
        },
      }),
    },
  }) as Promise<MeshNode>
}

/** Whether gossip can be sent to the peer: gossipsub's interface hides what its class shows. */
export function hasGossipStream(node: MeshNode, peer: PeerId): boolean {
  const { streamsOutbound } = node.services.pubsub as unknown as { streamsOutbound: ReadonlyMap<string, unknown> }
  return streamsOutbound.has(peer)
}

/** Whether a stream carries gossip. */
export const isGossip = (protocol: string): boolean => protocol.startsWith('/meshsub/')
