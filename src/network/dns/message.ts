import dnsPacket, { type Answer as WireRecord, type Question } from 'dns-packet'

/** A response before it is bytes. */
interface Message {
  id: number | undefined
  flags: number
  questions: readonly Question[]
  answers: readonly WireRecord[]
  authorities: readonly WireRecord[]
  additionals: readonly WireRecord[]
}

const headerLength = 12
/** Points at the question's name, which always begins right after the header (RFC 1035 §4.1.4). */
const questionPointer = Buffer.from([0xc0, headerLength])

/**
 * Encodes a response, with a pointer in place of each record's name that equals the question's: dns-packet compresses
 * nothing, and a service with a few dozen endpoints would not fit into a datagram.
 */
export function encodeMessage(message: Message): Buffer {
  const { id, flags, questions, answers, authorities, additionals } = message
  const head = dnsPacket.encode({ type: 'response', id, flags, questions: [...questions] })
  const asked = questions[0]?.name
  const records = [...answers, ...authorities, ...additionals].map((one) => encodeRecord(one, asked))
  head.writeUInt16BE(answers.length, 6)
  head.writeUInt16BE(authorities.length, 8)
  head.writeUInt16BE(additionals.length, 10)
  return Buffer.concat([head, ...records])
}

function encodeRecord(one: WireRecord, asked: string | undefined): Buffer {
  const bytes = dnsPacket.encode({ type: 'response', answers: [one] }).subarray(headerLength)
  if (one.name !== asked || asked === '' || asked === '.') return bytes
  // A name is labels, each behind its length, up to one of length 0.
  let end = 0
  while (bytes[end]) end += 1 + (bytes[end] ?? 0)
  return Buffer.concat([questionPointer, bytes.subarray(end + 1)])
}
