import type { Random } from '../../lib/clock.ts'
import type { ZoneView } from './zone-view.ts'

const headerLength = 12
const maxEntries = 10_000
/** Names with more addresses are worked out each time: every order of them would have to be kept. */
const maxOrders = 16
/** UDP answers without EDNS (RFC 1035), and the most that is sent with it: what passes any path unfragmented. */
export const plainUdpSize = 512
export const largestUdpSize = 1_232
const optType = 41

/** A query as far as it decides the answer. */
export interface QueryKey {
  /** Question in lower case, size of the answer, flags. */
  readonly text: string
  /** Where the question's name ends in the message. */
  readonly nameEnd: number
}

interface Entry {
  readonly scope: string
  readonly version: number
  /** The answer with its addresses in each order that was asked for so far. */
  readonly orders: (Buffer | undefined)[]
}

export interface AnswerCache {
  /** The answer to this very message; undefined when it has to be worked out. */
  find(key: QueryKey, message: Buffer): Buffer | undefined
  /** `order` of `orders` ways to order the answer's records. `domain` and view are as when the answer was made. */
  keep(key: QueryKey, order: number, orders: number, answer: Buffer): void
}

/**
 * Encoded answers out of the zone, each good until an object of its namespace changes. Between two changes a query costs
 * a lookup and a copy, into which the asker's id and its way of writing the name are put.
 */
export function createAnswerCache(view: ZoneView, domain: string, random: Random): AnswerCache {
  const entries = new Map<string, Entry>()
  const suffix = labelsOf(`svc.${domain}`)

  /** Namespace that the answer depends on; '' when on anything. */
  function scopeOf(key: string): string {
    const at = key.indexOf(suffix)
    if (at <= 0) return ''
    // Labels stand behind their lengths, so that the last one begins where a length leads to the suffix.
    let label = 0
    while (label < at) {
      const end = label + 1 + key.charCodeAt(label)
      if (end === at) return key.slice(label + 1, end)
      label = end
    }
    return ''
  }

  return {
    find(key, message) {
      const entry = entries.get(key.text)
      if (!entry) return undefined
      if (entry.version !== view.version(entry.scope)) {
        entries.delete(key.text)
        return undefined
      }
      const count = entry.orders.length
      const kept = entry.orders[count === 1 ? 0 : Math.floor(random.next() * count)]
      if (!kept) return undefined
      const answer = Buffer.allocUnsafe(kept.length)
      kept.copy(answer)
      message.copy(answer, 0, 0, 2)
      message.copy(answer, headerLength, headerLength, key.nameEnd)
      return answer
    },
    keep(key, order, orders, answer) {
      if (orders > maxOrders) return
      const scope = scopeOf(key.text)
      const version = view.version(scope)
      const known = entries.get(key.text)
      const entry: Entry =
        known?.version === version && known.orders.length === Math.max(1, orders)
          ? known
          : { scope, version, orders: Array.from({ length: Math.max(1, orders) }, () => undefined) }
      entry.orders[order] = answer
      entries.delete(key.text)
      entries.set(key.text, entry)
      const oldest = entries.size > maxEntries ? entries.keys().next().value : undefined
      if (oldest !== undefined) entries.delete(oldest)
    },
  }
}

/** A name as it stands in messages, without the final zero. */
const labelsOf = (name: string): string =>
  name
    .toLowerCase()
    .split('.')
    .map((label) => String.fromCharCode(label.length) + label)
    .join('')

/**
 * Reads a plain query by UDP: one question, and at most the one additional record of EDNS (RFC 6891). undefined for
 * everything else, which the whole decoder is for.
 */
export function readQuery(message: Buffer): QueryKey | undefined {
  if (message.length < headerLength + 5) return undefined
  const flags = message.readUInt16BE(2)
  // A response, another operation than a query, or flags that a query does not have.
  if ((flags & 0xfe00) !== 0 || message.readUInt16BE(4) !== 1) return undefined
  const additionals = message.readUInt16BE(10)
  if (message.readUInt32BE(6) !== 0 || additionals > 1) return undefined
  let end = headerLength
  for (;;) {
    const length = message[end]
    if (length === undefined || length > 63) return undefined
    end += 1 + length
    if (length === 0) break
  }
  const questionEnd = end + 4
  if (questionEnd > message.length) return undefined
  let limit = plainUdpSize
  if (additionals === 1) {
    const size = ednsSize(message, questionEnd)
    if (size === undefined) return undefined
    limit = Math.max(plainUdpSize, Math.min(size, largestUdpSize))
  } else if (questionEnd !== message.length) return undefined
  const name = message.toString('latin1', headerLength, end).toLowerCase()
  const rest = message.toString('latin1', end, questionEnd)
  return { text: `${name}${rest}${additionals}${limit} ${flags}`, nameEnd: end }
}

/** The size of answers that an OPT record of version 0, alone at the end of the message, asks for. */
function ednsSize(message: Buffer, at: number): number | undefined {
  if (message.length < at + 11 || message[at] !== 0 || message.readUInt16BE(at + 1) !== optType) return undefined
  if (message[at + 6] !== 0 || message.length !== at + 11 + message.readUInt16BE(at + 9)) return undefined
  return message.readUInt16BE(at + 3)
}
