import { TopicValidatorResult } from '@chainsafe/libp2p-gossipsub'
import type { Connection, PeerId as Libp2pPeerId, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { errors } from '../api/status-error.ts'
import { assert, must } from '../lib/assert.ts'
import type { Clock, Random } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import { createSealer, createVerifier, openEnvelope } from './broadcast-envelope.ts'
import { createConnectionCare } from './connection-care.ts'
import { createDialer } from './dialer.ts'
import { encodeFrame, splitFirstFrame } from './framing.ts'
import { decodeIdentity, decodeSwarmKey } from './identity.ts'
import { createNode, hasGossipStream, isGossip, type MeshNode } from './libp2p-node.ts'
import { wrapStream } from './libp2p-stream.ts'
import { meshLimits } from './limits.ts'
import { createLink, serveLink, type Link } from './link.ts'
import { createLiveness, defaultLiveness, type LivenessConfig } from './liveness.ts'
import type { Mesh, MeshStream, PeerId } from './mesh.ts'

export interface MeshOptions {
  /** Ed25519 private key: libp2p protobuf (see createIdentity) or 64 raw bytes. The peer id follows from it. */
  identity: Uint8Array
  /** The cluster's pre-shared key: 32 bytes, 64 hex digits, or a swarm.key text. Without it nobody gets a handshake. */
  psk: Uint8Array | string
  /** Name of this machine's Node object; for logs. */
  nodeName: string
  /** Multiaddrs to listen on, e.g. `/ip4/0.0.0.0/tcp/7946`. */
  listen: readonly string[]
  /** Multiaddrs told to peers instead of those found by listening; default none. */
  announce?: readonly string[]
  clock: Clock
  random: Random
  logger: Logger
  liveness?: Partial<LivenessConfig>
}

/** The mesh on libp2p, which can also say where it listens (ports of 0 resolved). */
export interface Libp2pMesh extends Mesh {
  addresses(): string[]
}

interface Member {
  readonly id: Libp2pPeerId
  readonly node: string
  readonly addresses: readonly string[]
}

const linkProtocol = '/stormo/link/1'
const streamProtocol = '/stormo/stream/1'
const topic = 'stormo/1'
/** Time that a peer has to say which protocol a new stream is for. */
const helloTimeoutMs = 5_000
/** A younger connection is no left-over of a cut link: on an overloaded machine, dropping it would only add load. */
const freshConnectionMs = 5_000

/** Builds the mesh; nothing runs before `start`. Handlers and members may be set before it. */
export function createMesh(options: MeshOptions): Libp2pMesh {
  const { clock, random } = options
  const log = options.logger.child({ component: 'mesh' })
  const key = decodeIdentity(options.identity)
  const self = peerIdFromPrivateKey(key).toString()
  const seal = createSealer(self, key, random.bytes(8))
  const verifier = createVerifier()
  let node: MeshNode | undefined
  let stopped = false

  let members = new Map<PeerId, Member>()
  const links = new Map<PeerId, Map<string, Link>>()
  const up = new Set<PeerId>()
  const messageHandlers = new Map<string, (from: PeerId, data: Uint8Array) => void>()
  const requestHandlers = new Map<
    string,
    (from: PeerId, body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>
  >()
  const streamHandlers = new Map<string, (from: PeerId, stream: MeshStream) => void>()
  const broadcastHandlers: ((from: PeerId, data: Uint8Array) => void)[] = []
  const peerHandlers: ((peer: PeerId, up: boolean) => void)[] = []
  const livenessHandlers: ((peer: PeerId, alive: boolean) => void)[] = []

  const connectionsOf = (peer: PeerId): Connection[] => {
    const member = members.get(peer)
    if (!node || !member) return []
    return node.getConnections(member.id).filter((one) => one.status === 'open')
  }
  /** The newest: of several, an older one may be a half-open left-over of a cut link. */
  const newestConnection = (peer: PeerId): Connection | undefined =>
    connectionsOf(peer).toSorted((a, b) => b.timeline.open - a.timeline.open)[0]
  const dropConnections = (peer: PeerId, why: string, minAgeMs = 0): void => {
    for (const connection of connectionsOf(peer)) {
      if (clock.nowMs() - connection.timeline.open >= minAgeMs) connection.abort(new Error(why))
    }
  }

  async function dial(peer: PeerId, addresses: readonly string[], signal: AbortSignal): Promise<Connection> {
    const targets = addresses.map((address) => multiaddr(withPeer(address, peer)))
    return must(node, 'the mesh is not started').dial(targets, { signal })
  }

  async function newStream(peer: PeerId, protocol: string, name: string, signal: AbortSignal): Promise<MeshStream> {
    const member = members.get(peer)
    if (!node || !member) throw errors.unavailable(`${peer} is not a member`)
    const connection = newestConnection(peer) ?? (await dial(peer, member.addresses, signal))
    const raw = await connection.newStream(protocol, { signal, maxOutboundStreams: meshLimits.streams })
    const stream = wrapStream(raw, clock)
    await stream.write(encodeFrame(new TextEncoder().encode(name)))
    return stream
  }

  function linkTo(peer: PeerId, protocol: string): Link {
    const ofPeer = links.get(peer) ?? new Map<string, Link>()
    links.set(peer, ofPeer)
    const known = ofPeer.get(protocol)
    if (known) return known
    const name = members.get(peer)?.node ?? peer
    const link = createLink({ name, clock, open: (signal) => newStream(peer, linkProtocol, protocol, signal) })
    ofPeer.set(protocol, link)
    return link
  }

  function resetLinks(peer: PeerId, error: Error): void {
    for (const link of links.get(peer)?.values() ?? []) link.reset(error)
  }

  /** Reads the header of an inbound stream; undefined when the peer is not admitted or did not send it in time. */
  async function admit(raw: Stream, connection: Connection) {
    const from = connection.remotePeer.toString()
    const stream = wrapStream(raw, clock)
    if (!members.has(from)) {
      stream.close(new Error('not a member'))
      return undefined
    }
    const timer = clock.after(helloTimeoutMs, () => stream.close(new Error('no protocol named in time')))
    try {
      const { first, rest } = await splitFirstFrame(stream.source, meshLimits.protocolName)
      return { from, name: new TextDecoder().decode(first), stream: { ...stream, source: rest } }
    } catch (error) {
      stream.close(error as Error)
      return undefined
    } finally {
      timer.cancel()
    }
  }

  async function onLinkStream(raw: Stream, connection: Connection): Promise<void> {
    const admitted = await admit(raw, connection)
    if (!admitted) return
    const { from, name, stream } = admitted
    await serveLink(stream, clock, {
      message: (body) => messageHandlers.get(name)?.(from, body),
      request: async (body, signal) => {
        const handler = requestHandlers.get(name)
        if (!handler) throw errors.unavailable(`${options.nodeName} does not serve ${name}`)
        return handler(from, body, signal)
      },
    })
  }

  async function onRawStream(raw: Stream, connection: Connection): Promise<void> {
    const admitted = await admit(raw, connection)
    if (!admitted) return
    const { from, name, stream } = admitted
    const handler = streamHandlers.get(name)
    if (!handler) return stream.close(new Error(`nobody serves ${name}`))
    await stream.write(encodeFrame()).then(
      () => handler(from, stream),
      (error: Error) => stream.close(error),
    )
  }

  const mesh: Libp2pMesh = {
    self,
    addresses: () => node?.getMultiaddrs().map(String) ?? [],
    broadcast(data) {
      assert(data.length <= meshLimits.broadcast, `broadcast of ${data.length} bytes exceeds ${meshLimits.broadcast}`)
      if (!node || stopped) return
      node.services.pubsub
        .publish(topic, seal(data))
        .catch((error: Error) => log.debug({ error: error.message }, 'broadcast not published'))
    },
    onBroadcast: (handler) => void broadcastHandlers.push(handler),
    send(peer, protocol, data) {
      if (up.has(peer)) linkTo(peer, protocol).send(data)
    },
    onMessage: (protocol, handler) => registerOnce(messageHandlers, protocol, handler),
    async request(peer, protocol, body, requestOptions) {
      if (!node || stopped) throw errors.unavailable('the mesh is not running')
      if (!members.has(peer)) throw errors.unavailable(`${peer} is not a member`)
      return linkTo(peer, protocol).request(body, requestOptions)
    },
    onRequest: (protocol, handler) => registerOnce(requestHandlers, protocol, handler),
    async openStream(peer, protocol, signal) {
      const name = members.get(peer)?.node ?? peer
      try {
        const stream = await newStream(peer, streamProtocol, protocol, signal)
        const abort = () => stream.close(signal.reason as Error)
        signal.addEventListener('abort', abort, { once: true })
        try {
          const { rest } = await splitFirstFrame(stream.source, 0)
          return { ...stream, source: rest }
        } catch (error) {
          stream.close(error as Error)
          throw error
        } finally {
          signal.removeEventListener('abort', abort)
        }
      } catch (error) {
        if (signal.aborted) throw signal.reason
        throw errors.unavailable(`no ${protocol} stream to ${name}: ${(error as Error).message}`)
      }
    },
    onStream: (protocol, handler) => registerOnce(streamHandlers, protocol, handler),
    connected: () => [...up],
    onPeer: (handler) => void peerHandlers.push(handler),
    setMembers(list) {
      const next = new Map<PeerId, Member>()
      for (const { peer, node: name, addresses } of list) {
        if (peer === self) continue
        const id = members.get(peer)?.id ?? peerIdFromString(peer)
        next.set(peer, { id, node: name, addresses: addresses.slice() })
      }
      for (const peer of members.keys()) {
        if (next.has(peer)) continue
        dropConnections(peer, 'no longer a member')
        resetLinks(peer, new Error('no longer a member'))
        links.delete(peer)
        verifier.forget(peer)
      }
      members = next
      liveness.setMembers([...members.keys()])
      dialer.setTargets(new Map([...members].map(([peer, member]) => [peer, member.addresses])))
    },
    liveness: (peer) => liveness.liveness(peer),
    onLiveness: (handler) => void livenessHandlers.push(handler),

    async start() {
      assert(!node && !stopped, 'a mesh is started once')
      const started = await createNode({
        key,
        psk: decodeSwarmKey(options.psk),
        random,
        listen: options.listen,
        announce: options.announce ?? [],
        isMember: (peer) => members.has(peer),
      })
      node = started
      const { pubsub } = started.services
      pubsub.topicValidators.set(topic, (_relay, message) => {
        const envelope = openEnvelope(message.data)
        if (!envelope) return TopicValidatorResult.Reject
        if (envelope.author === self || !members.has(envelope.author)) return TopicValidatorResult.Ignore
        const genuine = verifier.verify(envelope.author, message.data)
        return genuine ? TopicValidatorResult.Accept : TopicValidatorResult.Reject
      })
      pubsub.addEventListener('message', ({ detail }) => {
        const envelope = detail.topic === topic ? openEnvelope(detail.data) : undefined
        if (envelope) for (const handler of broadcastHandlers) handler(envelope.author, envelope.data)
      })
      started.addEventListener('peer:connect', ({ detail }) => onUp(detail.toString()))
      started.addEventListener('peer:disconnect', ({ detail }) => onDown(detail.toString()))
      const limits = { maxInboundStreams: meshLimits.streams, maxOutboundStreams: meshLimits.streams }
      await started.handle(linkProtocol, onLinkStream, limits)
      await started.handle(streamProtocol, onRawStream, limits)
      await started.start()
      pubsub.subscribe(topic)
      log.info({ peer: self, node: options.nodeName, addresses: mesh.addresses() }, 'mesh listens')
      dialer.start()
      liveness.start()
      care.start()
    },
    async stop() {
      if (stopped) return
      stopped = true
      care.stop()
      dialer.stop()
      liveness.stop()
      for (const peer of links.keys()) resetLinks(peer, new Error('the mesh is stopping'))
      await node?.stop()
    },
  }

  const dialer = createDialer({
    self,
    clock,
    random,
    isConnected: (peer) => connectionsOf(peer).length > 0,
    dial: async (peer, addresses, signal) => void (await dial(peer, addresses, signal)),
  })
  const liveness = createLiveness({
    mesh,
    clock,
    random,
    config: { ...defaultLiveness, ...options.liveness },
    onVerdict(peer, alive) {
      log.info({ peer, node: members.get(peer)?.node, alive }, alive ? 'member is alive' : 'member is dead')
      // A cut link leaves sockets that look open for minutes; a fresh dial is what finds the peer again.
      if (!alive) dropConnections(peer, 'the member is dead', freshConnectionMs)
      for (const handler of livenessHandlers) handler(peer, alive)
    },
    onBrokenConnection: (peer) => dropConnections(peer, 'the connection does not answer', freshConnectionMs),
  })
  const care = createConnectionCare({
    clock,
    self,
    peers: () => [...up],
    connectionsOf,
    hasGossip: (peer) => node !== undefined && hasGossipStream(node, peer),
    keepsOpen: (connection) =>
      connection.streams.some(({ protocol }) => protocol === streamProtocol || isGossip(protocol)),
    drop: (peer) => dropConnections(peer, 'the connection carries no gossip'),
  })

  function onUp(peer: PeerId): void {
    if (!members.has(peer)) return
    up.add(peer)
    dialer.connected(peer)
    liveness.heard(peer)
    for (const handler of peerHandlers) handler(peer, true)
  }

  function onDown(peer: PeerId): void {
    resetLinks(peer, new Error('the connection was lost'))
    if (!up.delete(peer)) return
    if (!stopped) dialer.disconnected(peer)
    for (const handler of peerHandlers) handler(peer, false)
  }

  return mesh
}

function registerOnce<T>(handlers: Map<string, T>, protocol: string, handler: T): void {
  assert(!handlers.has(protocol), `a handler of ${protocol} is registered already`)
  assert(protocol.length <= meshLimits.protocolName, `protocol name ${protocol} is too long`)
  handlers.set(protocol, handler)
}

/** The address with `/p2p/<peer>` at its end, so that whoever answers must be that peer. */
function withPeer(address: string, peer: PeerId): string {
  return address.includes('/p2p/') ? address : `${address}/p2p/${peer}`
}
