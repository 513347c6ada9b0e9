import dnsPacket, { type Answer as WireRecord, type DecodedPacket } from 'dns-packet'
import type { Random } from '../../lib/clock.ts'
import { largestUdpSize, plainUdpSize, type AnswerCache, type QueryKey } from './answer-cache.ts'
import { rcodeOf, type Forwarder } from './forwarder.ts'
import { encodeMessage } from './message.ts'
import { resolve, type ZoneRecord, type ZoneConfig } from './resolve.ts'
import type { ZoneView } from './zone-view.ts'

const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const
type Rcode = keyof typeof rcodes

export interface AnsweringOptions {
  view: ZoneView
  config: ZoneConfig
  forwarder: Forwarder
  random: Random
  cache: AnswerCache
}

interface Reply {
  /** Made of nothing but the zone: which of how many orders its records are in. */
  zone?: { order: number; orders: number }
  rcode: Rcode
  authoritative: boolean
  answers: WireRecord[]
  authorities: WireRecord[]
  additionals: WireRecord[]
}

/** Aliases of aliases that are followed; then the asker has to, if it likes. */
const maxAliases = 8

const empty = { answers: [], authorities: [], additionals: [] }

/**
 * Answers one message as it came from the wire; undefined when it deserves none (not a query). An answer out of the zone
 * is kept under `key`, if given.
 */
export async function answerMessage(
  message: Buffer,
  transport: 'udp' | 'tcp',
  options: AnsweringOptions,
  key?: QueryKey,
): Promise<Buffer | undefined> {
  let query: DecodedPacket
  try {
    query = dnsPacket.decode(message)
  } catch {
    return message.length < 12 ? undefined : malformed(message)
  }
  if (query.type !== 'query') return undefined
  const question = query.questions?.[0]
  const reply: Reply =
    opcodeOf(message) !== 0
      ? { ...empty, rcode: 'NOTIMP', authoritative: false }
      : !question || query.questions?.length !== 1
        ? { ...empty, rcode: 'FORMERR', authoritative: false }
        : await replyTo({ name: question.name, type: question.type }, options)
  const answer = encode(query, reply, transport)
  if (key && reply.zone) options.cache.keep(key, reply.zone.order, reply.zone.orders, answer)
  return answer
}

async function replyTo(question: { name: string; type: string }, options: AnsweringOptions): Promise<Reply> {
  const found = resolve(question, options.view, options.config)
  switch (found.kind) {
    case 'answer': {
      const orders = found.answers.length
      const order = Math.floor(options.random.next() * orders)
      return {
        zone: { order, orders },
        rcode: found.rcode,
        authoritative: true,
        answers: rotated(found.answers, order).map(toWire),
        authorities: found.authorities.map(toWire),
        additionals: found.additionals.map(toWire),
      }
    }
    case 'alias':
      return follow(found, question.type, options)
    case 'forward':
      return forward(question, options)
  }
}

/** The alias, and what stands at its end, in the zone or outside. */
async function follow(
  alias: { answers: ZoneRecord[]; target: string },
  type: string,
  options: AnsweringOptions,
): Promise<Reply> {
  const answers = alias.answers.map(toWire)
  let { target } = alias
  for (let steps = 1; steps < maxAliases; steps++) {
    const next = resolve({ name: target, type }, options.view, options.config)
    if (next.kind === 'forward') {
      const outside = await options.forwarder.ask({ name: target, type })
      answers.push(...(outside?.answers ?? []))
      break
    }
    answers.push(...next.answers.map(toWire))
    if (next.kind === 'answer') break
    target = next.target
  }
  return { ...empty, rcode: 'NOERROR', authoritative: true, answers }
}

async function forward(question: { name: string; type: string }, { forwarder }: AnsweringOptions): Promise<Reply> {
  // With nobody to ask, the cluster is all there is. SERVFAIL would make resolvers ask again for seconds.
  if (!forwarder.canAsk(question.name)) return { ...empty, rcode: 'NXDOMAIN', authoritative: false }
  const answer = await forwarder.ask(question)
  if (!answer) return { ...empty, rcode: 'SERVFAIL', authoritative: false }
  const rcode = rcodeOf(answer)
  return {
    rcode: Object.hasOwn(rcodes, rcode) ? (rcode as Rcode) : 'SERVFAIL',
    authoritative: false,
    answers: answer.answers ?? [],
    authorities: answer.authorities ?? [],
    additionals: (answer.additionals ?? []).filter((record) => record.type !== 'OPT'),
  }
}

/** Many clients take the first address: each answer begins with another. */
function rotated<T>(records: readonly T[], start: number): T[] {
  return [...records.slice(start), ...records.slice(0, start)]
}

const toWire = (record: ZoneRecord): WireRecord => ({ ...record, class: 'IN' }) as WireRecord

function encode(query: DecodedPacket, reply: Reply, transport: 'udp' | 'tcp'): Buffer {
  const edns = query.additionals?.find((record) => record.type === 'OPT')
  const opt: WireRecord[] = edns
    ? [
        {
          type: 'OPT',
          name: '.',
          udpPayloadSize: largestUdpSize,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: [],
        },
      ]
    : []
  const flags =
    (reply.authoritative ? dnsPacket.AUTHORITATIVE_ANSWER : 0) |
    (query.flag_rd ? dnsPacket.RECURSION_DESIRED : 0) |
    dnsPacket.RECURSION_AVAILABLE |
    rcodes[reply.rcode]
  const base = { id: query.id, questions: query.questions ?? [] }
  const whole = encodeMessage({ ...base, flags, ...reply, additionals: [...reply.additionals, ...opt] })
  if (transport === 'tcp') return whole
  const asked = edns?.type === 'OPT' ? edns.udpPayloadSize : plainUdpSize
  const limit = Math.max(plainUdpSize, Math.min(asked, largestUdpSize))
  if (whole.length <= limit) return whole
  // Additional records are a courtesy; without them it may fit.
  const bare = encodeMessage({ ...base, flags, ...reply, additionals: opt })
  if (bare.length <= limit) return bare
  return encodeMessage({ ...base, ...empty, flags: flags | dnsPacket.TRUNCATED_RESPONSE, additionals: opt })
}

/** 0 is a standard query; dns-packet's types leave it out. */
const opcodeOf = (message: Buffer): number => ((message[2] ?? 0) >> 3) & 15

/** FORMERR with the asker's id: all that can be said to a message that cannot be read. */
function malformed(message: Buffer): Buffer {
  const header = Buffer.alloc(12)
  message.copy(header, 0, 0, 2)
  header.writeUInt16BE(0x8000 | rcodes.FORMERR, 2)
  return header
}
