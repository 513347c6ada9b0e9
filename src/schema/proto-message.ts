import type { Field, InlinedMessage, Schema } from './schema.ts'

/** One numbered field of a protobuf message. */
export interface ProtoField {
  readonly proto: number
  /** JSON name in the object that the message stands for. */
  readonly name: string
  readonly field: Field
}

/** A message: its own fields and the embedded structs, which share the JSON object of their parent. */
export interface ProtoMessage {
  readonly fields: ReadonlyMap<number, ProtoField>
  /** Fields in order of their number: the order in which they are written. */
  readonly ordered: readonly ProtoField[]
  readonly inlined: ReadonlyMap<number, ProtoMessage>
}

const messages = new WeakMap<Schema, ProtoMessage>()

/** The message of an object schema; made at first use. */
export function messageOf(schema: Schema): ProtoMessage {
  let message = messages.get(schema)
  if (!message) {
    const numbers = [...schema.fields].flatMap(([name, { proto }]) =>
      proto === undefined ? [] : [[name, proto] as const],
    )
    message = build(schema, new Map(numbers), schema.inlined ?? [])
    messages.set(schema, message)
  }
  return message
}

function build(schema: Schema, numbers: ReadonlyMap<string, number>, inlined: readonly InlinedMessage[]): ProtoMessage {
  const fields = new Map<number, ProtoField>()
  for (const [name, proto] of numbers) {
    const field = schema.fields.get(name)
    if (field) fields.set(proto, { proto, name, field })
  }
  return {
    fields,
    ordered: [...fields.values()].toSorted((a, b) => a.proto - b.proto),
    inlined: new Map(inlined.map((one) => [one.proto, build(schema, one.fields, one.inlined)])),
  }
}

/** Wire types of the protobuf encoding. */
export const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/** Deepest nesting of messages that is read or written. */
export const maxMessageDepth = 200

/** Types whose message is nothing like their JSON. */
export type SpecialForm =
  | 'quantity'
  | 'time'
  | 'int-or-string'
  | 'raw'
  | 'json'
  | 'schema-or-array'
  | 'schema-or-bool'
  | 'schema-or-strings'

export function specialForm(schema: Schema): SpecialForm | undefined {
  if (schema.format === 'quantity') return 'quantity'
  if (schema.format === 'date-time' || schema.format === 'micro-time') return 'time'
  if (schema.type === 'int-or-string') return 'int-or-string'
  if (schema.format === 'raw') return 'raw'
  if (schema.type !== 'any') return undefined
  if (schema.name?.endsWith('OrArray'))
    return schema.name.endsWith('OrStringArray') ? 'schema-or-strings' : 'schema-or-array'
  return schema.name?.endsWith('OrBool') ? 'schema-or-bool' : 'json'
}
