import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import dnsPacket, { type DecodedPacket, type Packet } from 'dns-packet'
import type { Clock, Random } from '../../lib/clock.ts'
import { stubServers, type UpstreamPlan } from './stub-domains.ts'

/** A server that is asked for what the zone does not have. */
export interface Upstream {
  readonly address: string
  readonly port: number
}

const maxInFlight = 1_024
const maxCached = 10_000
const udpTimeoutMs = 2_000
const tcpTimeoutMs = 4_000
/** A server that has not answered is passed over for so long. */
const restMs = 5_000
const maxTtlSeconds = 3_600
const maxNegativeTtlSeconds = 30
const maxUdpAnswer = 1_232

export interface Forwarder {
  /** undefined: nobody answered, or too much is under way. */
  ask(question: { name: string; type: string }): Promise<DecodedPacket | undefined>
  /** Whether there is anybody to ask for the name. */
  canAsk(name: string): boolean
  /** From now on other servers are asked; what earlier ones said is forgotten. */
  follow(plan: UpstreamPlan): void
  close(): void
}

interface Cached {
  readonly answer: DecodedPacket
  readonly expiresMs: number
}

/** Asks upstream servers in turn, by UDP and after a truncated answer by TCP, and remembers answers for their time. */
export function createForwarder(options: { upstreams: readonly Upstream[]; clock: Clock; random: Random }): Forwarder {
  const { clock, random } = options
  let plan: UpstreamPlan = { stubDomains: new Map() }
  const cache = new Map<string, Cached>()
  const inFlight = new Map<string, Promise<DecodedPacket | undefined>>()
  /** By `ADDRESS PORT`. */
  const restingUntilMs = new Map<string, number>()
  const closing = new AbortController()

  function remember(key: string, answer: DecodedPacket): void {
    const rcode = rcodeOf(answer)
    if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') return
    const records = [...(answer.answers ?? []), ...(answer.authorities ?? [])]
    const ttls = records.flatMap((record) => ('ttl' in record && typeof record.ttl === 'number' ? [record.ttl] : []))
    const limit = answer.answers?.length ? maxTtlSeconds : maxNegativeTtlSeconds
    const ttlSeconds = Math.min(limit, ...(ttls.length > 0 ? ttls : [maxNegativeTtlSeconds]))
    cache.delete(key)
    cache.set(key, { answer, expiresMs: clock.monotonicMs() + ttlSeconds * 1_000 })
    const oldest = cache.size > maxCached ? cache.keys().next().value : undefined
    if (oldest !== undefined) cache.delete(oldest)
  }

  const serversFor = (name: string): readonly Upstream[] =>
    stubServers(plan, name) ?? plan.upstreams ?? options.upstreams

  async function askAll(question: { name: string; type: string }): Promise<DecodedPacket | undefined> {
    const nowMs = clock.monotonicMs()
    const awake = serversFor(question.name).filter((one) => (restingUntilMs.get(idOf(one)) ?? 0) <= nowMs)
    for (const upstream of awake) {
      const query: Packet = {
        type: 'query',
        id: Math.floor(random.next() * 0x1_0000),
        flags: dnsPacket.RECURSION_DESIRED,
        questions: [{ name: question.name, type: question.type as 'A', class: 'IN' }],
        additionals: [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: maxUdpAnswer,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ],
      }
      try {
        const answer = await askByUdp(upstream, query)
        return answer.flag_tc ? await askByTcp(upstream, query) : answer
      } catch {
        restingUntilMs.set(idOf(upstream), clock.monotonicMs() + restMs)
      }
    }
    return undefined
  }

  /** One question by one socket: the random source port is half of what protects against forged answers. */
  function askByUdp(upstream: Upstream, query: Packet): Promise<DecodedPacket> {
    return new Promise((resolve, reject) => {
      const socket = createSocket({ type: upstream.address.includes(':') ? 'udp6' : 'udp4', signal: closing.signal })
      const timer = clock.after(udpTimeoutMs, () => finish(new Error('no answer in time')))
      const finish = (outcome: DecodedPacket | Error) => {
        timer.cancel()
        socket.removeAllListeners('message')
        try {
          socket.close()
        } catch {
          // Closed before, with everything.
        }
        if (outcome instanceof Error) reject(outcome)
        else resolve(outcome)
      }
      socket.on('error', finish)
      socket.on('message', (data) => {
        const answer = decode(data)
        if (answer && isAnswerTo(answer, query)) finish(answer)
      })
      socket.connect(upstream.port, upstream.address, () => socket.send(dnsPacket.encode(query)))
    })
  }

  function askByTcp(upstream: Upstream, query: Packet): Promise<DecodedPacket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: upstream.address, port: upstream.port, signal: closing.signal })
      const timer = clock.after(tcpTimeoutMs, () => socket.destroy(new Error('no answer in time')))
      let gathered = Buffer.alloc(0)
      socket.on('error', reject)
      socket.on('close', () => {
        timer.cancel()
        reject(new Error('closed before the answer'))
      })
      socket.on('connect', () => socket.write(dnsPacket.streamEncode(query)))
      socket.on('data', (chunk: Buffer) => {
        gathered = Buffer.concat([gathered, chunk])
        if (gathered.length < 2 || gathered.length < 2 + gathered.readUInt16BE(0)) return
        const answer = decode(gathered.subarray(2))
        if (answer && isAnswerTo(answer, query)) resolve(answer)
        socket.destroy()
      })
    })
  }

  return {
    canAsk: (name) => serversFor(name).length > 0,
    follow(next) {
      plan = next
      cache.clear()
      restingUntilMs.clear()
    },
    ask(question) {
      const key = `${question.type} ${question.name.toLowerCase()}`
      const cached = cache.get(key)
      if (cached && cached.expiresMs > clock.monotonicMs()) return Promise.resolve(cached.answer)
      const asked = inFlight.get(key)
      if (asked) return asked
      if (inFlight.size >= maxInFlight) return Promise.resolve(undefined)
      const asking = (async () => {
        try {
          const answer = await askAll(question)
          if (answer) remember(key, answer)
          return answer
        } finally {
          inFlight.delete(key)
        }
      })()
      inFlight.set(key, asking)
      return asking
    },
    close() {
      closing.abort()
      cache.clear()
    },
  }
}

const idOf = ({ address, port }: Upstream): string => `${address} ${port}`

/** dns-packet reads the code into a field that its types leave out. */
export const rcodeOf = (packet: DecodedPacket): string => (packet as { rcode?: string }).rcode ?? 'NOERROR'

function isAnswerTo(answer: DecodedPacket, query: Packet): boolean {
  const asked = query.questions?.[0]
  const echoed = answer.questions?.[0]
  return (
    answer.type === 'response' &&
    answer.id === query.id &&
    echoed?.name.toLowerCase() === asked?.name.toLowerCase() &&
    echoed?.type === asked?.type
  )
}

function decode(data: Buffer): DecodedPacket | undefined {
  try {
    return dnsPacket.decode(data)
  } catch {
    return undefined
  }
}

/** `nameserver` lines of a resolv.conf(5), without those that would lead back here. */
export function upstreamsOf(resolvConf: string, ourselves: readonly string[]): Upstream[] {
  const addresses = resolvConf.split('\n').flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? [])
  return [...new Set(addresses)]
    .filter((address) => !ourselves.includes(address))
    .slice(0, 3)
    .map((address) => ({ address: address.split('%')[0] ?? address, port: 53 }))
}
