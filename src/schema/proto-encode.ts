import type { Writer } from 'protobufjs/minimal.js'
import { goJson } from '../lib/canonical-json.ts'
import { isJsonObject } from './merge-patch.ts'
import { maxMessageDepth, messageOf, type ProtoMessage, specialForm, wireType } from './proto-message.ts'
import { encodeTime } from './proto-time.ts'
import type { Field, Schema } from './schema.ts'

type Json = Record<string, unknown>

/**
 * Writes `value` as the protobuf message of its schema. Go writes every scalar that is no pointer; here absent ones are
 * left out, which every reader takes for their zero.
 */
export function encodeMessage(value: unknown, schema: Schema, writer: Writer, depth = 0): void {
  if (depth > maxMessageDepth) throw new RangeError('message nested too deep')
  if (specialForm(schema)) encodeSpecial(value, schema, writer, depth)
  else if (isJsonObject(value)) writeFields(value, messageOf(schema), writer, depth)
}

function writeFields(object: Json, message: ProtoMessage, writer: Writer, depth: number): void {
  for (const { proto, name, field } of message.ordered) {
    const value = Object.hasOwn(object, name) ? object[name] : undefined
    if (value !== undefined && value !== null) writeField(value, proto, field, writer, depth)
  }
  for (const [proto, embedded] of message.inlined) {
    if (!holdsAny(object, embedded)) continue
    writer.uint32(tag(proto, wireType.bytes)).fork()
    writeFields(object, embedded, writer, depth + 1)
    writer.ldelim()
  }
}

function holdsAny(object: Json, message: ProtoMessage): boolean {
  return (
    message.ordered.some(({ name }) => object[name] !== undefined && object[name] !== null) ||
    [...message.inlined.values()].some((nested) => holdsAny(object, nested))
  )
}

function writeField(value: unknown, proto: number, { schema }: Field, writer: Writer, depth: number): void {
  if (schema.type === 'array') {
    if (Array.isArray(value)) for (const element of value) writeValue(element, proto, schema.items!, writer, depth)
  } else if (schema.values) {
    if (isJsonObject(value)) writeMap(value, proto, schema.values, writer, depth)
  } else writeValue(value, proto, schema, writer, depth)
}

function writeMap(map: Json, proto: number, values: Schema, writer: Writer, depth: number): void {
  // Sorted, as Go's marshaller does, so that equal objects have equal bytes.
  for (const key of Object.keys(map).toSorted()) {
    writer.uint32(tag(proto, wireType.bytes)).fork().uint32(tag(1, wireType.bytes)).string(key)
    const value = map[key]
    if (values.type === 'array' && Array.isArray(value)) {
      writer.uint32(tag(2, wireType.bytes)).fork()
      for (const element of value) writeValue(element, 1, values.items!, writer, depth + 1)
      writer.ldelim()
    } else writeValue(value, 2, values, writer, depth)
    writer.ldelim()
  }
}

function writeValue(value: unknown, proto: number, schema: Schema, writer: Writer, depth: number): void {
  if (schema.type === 'boolean') writer.uint32(tag(proto, wireType.varint)).bool(value === true)
  else if (schema.type === 'integer')
    writer.uint32(tag(proto, wireType.varint)).int64(typeof value === 'bigint' ? String(value) : Number(value))
  else if (schema.type === 'number') writer.uint32(tag(proto, wireType.fixed64)).double(Number(value))
  else if (schema.type === 'string' && schema.name === undefined) {
    writer.uint32(tag(proto, wireType.bytes))
    if (schema.format === 'byte') writer.bytes(Buffer.from(String(value), 'base64'))
    else writer.string(String(value))
  } else {
    writer.uint32(tag(proto, wireType.bytes)).fork()
    encodeMessage(value, schema, writer, depth + 1)
    writer.ldelim()
  }
}

function encodeSpecial(value: unknown, schema: Schema, writer: Writer, depth: number): void {
  const nested = (proto: number, one: unknown) => {
    writer.uint32(tag(proto, wireType.bytes)).fork()
    encodeMessage(one, schema.objectForm!, writer, depth + 1)
    writer.ldelim()
  }
  const bytes = (proto: number, text: string) => writer.uint32(tag(proto, wireType.bytes)).string(text)
  switch (specialForm(schema)) {
    case 'time':
      if (typeof value === 'string') encodeTime(value, writer)
      return
    case 'quantity':
      bytes(1, String(value))
      return
    case 'int-or-string':
      writer.uint32(tag(1, wireType.varint)).int64(typeof value === 'string' ? 1 : 0)
      writer.uint32(tag(2, wireType.varint)).int32(typeof value === 'number' ? value : 0)
      bytes(3, typeof value === 'string' ? value : '')
      return
    case 'raw':
    case 'json':
      bytes(1, goJson(value))
      return
    case 'schema-or-array':
      if (Array.isArray(value)) for (const one of value) nested(2, one)
      else nested(1, value)
      return
    case 'schema-or-bool':
      writer.uint32(tag(1, wireType.varint)).bool(value !== false)
      if (isJsonObject(value)) nested(2, value)
      return
    case 'schema-or-strings':
      if (Array.isArray(value)) for (const one of value) bytes(2, String(one))
      else nested(1, value)
      return
    default:
  }
}

function tag(proto: number, wire: number): number {
  return ((proto << 3) | wire) >>> 0
}
