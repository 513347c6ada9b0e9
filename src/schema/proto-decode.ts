import { parseExact } from '../lib/exact-json.ts'
import { Reader } from 'protobufjs/minimal.js'
import { setMember } from './merge-patch.ts'
import {
  maxMessageDepth,
  messageOf,
  type ProtoField,
  type ProtoMessage,
  specialForm,
  wireType,
} from './proto-message.ts'
import { decodeTime } from './proto-time.ts'
import type { Schema } from './schema.ts'

type Json = Record<string, unknown>

const utf8 = new TextDecoder()

/**
 * The JSON of one protobuf message, as Go would write it: zero scalars of fields with omitempty are left out. Unknown
 * field numbers are skipped.
 * @throws Error on malformed bytes (the caller words it), RangeError beyond {@link maxMessageDepth}
 */
export function decodeMessage(bytes: Uint8Array, schema: Schema, depth = 0): unknown {
  if (depth > maxMessageDepth) throw new RangeError('message nested too deep')
  const special = specialForm(schema)
  if (special) return decodeSpecial(bytes, schema, depth)
  const object: Json = {}
  readInto(object, Reader.create(bytes), messageOf(schema), depth)
  return object
}

function readInto(object: Json, reader: Reader, message: ProtoMessage, depth: number): void {
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    const known = message.fields.get(tag >>> 3)
    const embedded = known ? undefined : message.inlined.get(tag >>> 3)
    if (known) readField(object, reader, known, tag & 7, depth)
    else if (embedded && (tag & 7) === wireType.bytes) {
      readInto(object, Reader.create(reader.bytes()), embedded, depth + 1)
    } else reader.skipType(tag & 7)
  }
}

function readField(object: Json, reader: Reader, { name, field }: ProtoField, wire: number, depth: number): void {
  const { schema } = field
  if (schema.type === 'array') {
    const list = (object[name] ??= []) as unknown[]
    const items = schema.items!
    if (wire === wireType.bytes && isNumeric(items)) readPacked(list, reader, items)
    else list.push(readValue(reader, items, wire, depth))
    return
  }
  if (schema.values) {
    const map = (object[name] ??= {}) as Json
    readEntry(map, reader.bytes(), schema.values, depth)
    return
  }
  const value = readValue(reader, schema, wire, depth)
  const omitted = value === undefined || (!field.always && !field.pointer && isZero(value, schema))
  if (!omitted) object[name] = value
}

function readPacked(list: unknown[], reader: Reader, items: Schema): void {
  const packed = Reader.create(reader.bytes())
  while (packed.pos < packed.len) list.push(readValue(packed, items, wireType.varint, 0))
}

function readEntry(map: Json, bytes: Uint8Array, values: Schema, depth: number): void {
  const reader = Reader.create(bytes)
  let key = ''
  let value: unknown
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag >>> 3 === 1) key = reader.string()
    else if (tag >>> 3 === 2) value = readMapValue(reader, values, tag & 7, depth)
    else reader.skipType(tag & 7)
  }
  setMember(map, key, value ?? zeroOf(values))
}

/** A map of lists holds each list in a message of its own, `items = 1` (ExtraValue). */
function readMapValue(reader: Reader, values: Schema, wire: number, depth: number): unknown {
  if (values.type !== 'array') return readValue(reader, values, wire, depth)
  const list: unknown[] = []
  const nested = Reader.create(reader.bytes())
  while (nested.pos < nested.len) {
    const tag = nested.uint32()
    if (tag >>> 3 === 1) list.push(readValue(nested, values.items!, tag & 7, depth))
    else nested.skipType(tag & 7)
  }
  return list
}

function readValue(reader: Reader, schema: Schema, wire: number, depth: number): unknown {
  const expected = isNumeric(schema) ? (schema.type === 'number' ? wireType.fixed64 : wireType.varint) : wireType.bytes
  if (wire !== expected) throw new Error(`proto: wrong wireType = ${wire}`)
  if (schema.type === 'boolean') return reader.bool()
  if (schema.type === 'integer') return schema.format === 'int32' ? reader.int32() : wholeNumber(reader)
  if (schema.type === 'number') return reader.double()
  if (schema.type === 'string' && schema.name === undefined) {
    return schema.format === 'byte' ? Buffer.from(reader.bytes()).toString('base64') : reader.string()
  }
  return decodeMessage(reader.bytes(), schema, depth + 1)
}

/** As JSON has it: a bigint only where a double would round. */
function wholeNumber(reader: Reader): number | bigint {
  const value = BigInt(String(reader.int64()))
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function isNumeric(schema: Schema): boolean {
  return schema.type === 'integer' || schema.type === 'number' || schema.type === 'boolean'
}

function isZero(value: unknown, schema: Schema): boolean {
  if (value === '') return schema.name === undefined
  return value === 0 ? schema.type !== 'int-or-string' : value === false
}

function zeroOf(schema: Schema): unknown {
  if (schema.type === 'string') return schema.format === 'quantity' ? '0' : ''
  if (schema.type === 'boolean') return false
  return isNumeric(schema) ? 0 : schema.type === 'array' ? [] : {}
}

function decodeSpecial(bytes: Uint8Array, schema: Schema, depth: number): unknown {
  const reader = Reader.create(bytes)
  const parts = new Map<number, unknown[]>()
  const form = specialForm(schema)
  if (form === 'time') return decodeTime(bytes, schema.format === 'micro-time' ? 6 : 0)
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    const part =
      (tag & 7) === wireType.varint ? reader.int64() : (tag & 7) === wireType.bytes ? reader.bytes() : undefined
    if (part === undefined) reader.skipType(tag & 7)
    else parts.set(tag >>> 3, [...(parts.get(tag >>> 3) ?? []), part])
  }
  const text = (number: number) =>
    utf8.decode((parts.get(number)?.at(-1) as Uint8Array | undefined) ?? new Uint8Array())
  const integer = (number: number) => Number(parts.get(number)?.at(-1) ?? 0)
  const nested = (part: unknown) => decodeMessage(part as Uint8Array, schema.objectForm!, depth + 1)
  switch (form) {
    case 'quantity':
      return text(1) || '0'
    case 'int-or-string':
      return integer(1) === 0 ? integer(2) | 0 : text(3)
    case 'raw':
    case 'json': {
      const value = parseExact(text(1) || 'null')
      return value === null && form === 'raw' ? undefined : value
    }
    case 'schema-or-array':
      return parts.has(2) ? parts.get(2)!.map(nested) : parts.has(1) ? nested(parts.get(1)!.at(-1)) : undefined
    case 'schema-or-bool':
      return parts.has(2) ? nested(parts.get(2)!.at(-1)) : integer(1) !== 0
    case 'schema-or-strings':
      return parts.has(1)
        ? nested(parts.get(1)!.at(-1))
        : (parts.get(2) ?? []).map((one) => utf8.decode(one as Uint8Array))
    default:
      return undefined
  }
}
