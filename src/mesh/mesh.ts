import type { Service } from '../lib/service.ts'

/** A libp2p peer id as text. */
export type PeerId = string

/** A byte stream to a peer. */
export interface MeshStream {
  /** Resolves when there is room for more. */
  write(data: Uint8Array): Promise<void>
  /** Half-close. */
  end(): Promise<void>
  readonly source: AsyncIterable<Uint8Array>
  close(error?: Error): void
  readonly closed: AbortSignal
}

/**
 * What the replicated parts need of the network: one broadcast topic, small requests, one-way messages, streams, and
 * who is reachable. Implemented on libp2p and by the simulator; one contract suite runs on both.
 *
 * Not promised: that a broadcast or a one-way message arrives, arrives once, or arrives in order.
 */
export interface Mesh extends Service {
  readonly self: PeerId
  /** To every member; at most 256 KiB. `from` is authenticated (the batch is signed by its author). */
  broadcast(data: Uint8Array): void
  onBroadcast(handler: (from: PeerId, data: Uint8Array) => void): void
  /** One-way, over a kept stream; at most 4 MiB. Dropped when there is no connection or its queue (bounded) is full. */
  send(peer: PeerId, protocol: string, data: Uint8Array): void
  onMessage(protocol: string, handler: (from: PeerId, data: Uint8Array) => void): void
  /** Request and answer, at most 16 MiB each; dials when needed. Rejects on failure, deadline or abort. */
  request(
    peer: PeerId,
    protocol: string,
    body: Uint8Array,
    options: { signal?: AbortSignal; timeoutMs: number },
  ): Promise<Uint8Array>
  /** A handler's StatusError reaches the requester as a StatusError. */
  onRequest(
    protocol: string,
    handler: (from: PeerId, body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>,
  ): void
  openStream(peer: PeerId, protocol: string, signal: AbortSignal): Promise<MeshStream>
  onStream(protocol: string, handler: (from: PeerId, stream: MeshStream) => void): void
  /** Peers with an open connection now. */
  connected(): PeerId[]
  /** Called when a peer's connection opens (`up`) or its last one closes. */
  onPeer(handler: (peer: PeerId, up: boolean) => void): void
  /** The members that the connection gater admits and that the mesh keeps dialling, with their addresses (multiaddrs). */
  setMembers(members: readonly { peer: PeerId; node: string; addresses: readonly string[] }[]): void
  /** SWIM-style verdict, from direct and indirect probes: when each member was last known alive, by monotonic ms. */
  liveness(peer: PeerId): { alive: boolean; lastAliveMs: number }
  onLiveness(handler: (peer: PeerId, alive: boolean) => void): void
}
