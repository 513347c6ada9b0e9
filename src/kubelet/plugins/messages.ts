import { Root, type INamespace, type Type } from 'protobufjs/light.js'

/** Fields of messages by message name: `name number type`, with `repeated` or `map` before it, separated by commas. */
export type Descriptions = Readonly<Record<string, string>>

/** Protobuf messages of a plugin protocol, as plain objects with the names of their description. */
export interface Messages {
  encode(name: string, value: object): Buffer
  decode(name: string, data: Uint8Array): unknown
}

/**
 * Makes coders of descriptions. Only field numbers and types are on the wire, so that a description needs no more than
 * the fields that are used here; others are skipped when they are read.
 */
export function describeMessages(descriptions: Descriptions): Messages {
  const nested = Object.fromEntries(
    Object.entries(descriptions).map(([name, fields]) => [name, { fields: fieldsOf(fields) }]),
  )
  const root = Root.fromJSON({ nested } as INamespace)
  const typeOf = (name: string): Type => root.lookupType(name)
  return {
    encode(name, value) {
      const type = typeOf(name)
      return Buffer.from(type.encode(type.fromObject(value)).finish())
    },
    decode(name, data) {
      const type = typeOf(name)
      return type.toObject(type.decode(data), { longs: Number, defaults: true, arrays: true, objects: true })
    },
  }
}

function fieldsOf(text: string): Record<string, object> {
  const fields = text.split(',').flatMap((one) => {
    const words = one.trim().split(/\s+/)
    if (words.length < 3) return []
    const [type = '', id = '', name = '', rule] = words.toReversed()
    const how = rule === 'map' ? { keyType: 'string' } : rule === undefined ? {} : { rule }
    return [[name, { id: Number(id), type, ...how }] as const]
  })
  return Object.fromEntries(fields)
}
