import { Reader, Writer } from 'protobufjs/minimal.js'
import { errors } from '../api/status-error.ts'
import { conform } from './conform.ts'
import { maxBodyDepth } from './decode.ts'
import type { SchemaGraph } from './graph.ts'
import { decodeMessage } from './proto-decode.ts'
import { encodeMessage } from './proto-encode.ts'
import { wireType } from './proto-message.ts'
import type { Decoded, Schema } from './schema.ts'

/** Media type of bodies that start with {@link magic}. */
export const protobufMediaType = 'application/vnd.kubernetes.protobuf'

const magic = new Uint8Array([0x6b, 0x38, 0x73, 0x00])

/** Largest protobuf body that is read; the same bound as for JSON. */
const maxBodyBytes = 3 * 1024 * 1024

/** A body whose kind is known but whose fields are not read yet: runtime.Unknown. */
export interface Envelope {
  apiVersion: string
  kind: string
  raw: Uint8Array
  contentType: string
}

/** True when the bytes carry Kubernetes' protobuf magic. */
export function isProtobuf(bytes: Uint8Array): boolean {
  return bytes.length >= magic.length && magic.every((byte, index) => bytes[index] === byte)
}

/**
 * Reads the envelope: which kind it is, and its bytes.
 * @throws StatusError BadRequest
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  if (!isProtobuf(bytes)) {
    throw errors.badRequest('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  }
  if (bytes.length > maxBodyBytes) throw errors.badRequest('protobuf message too large')
  return worded(() => {
    const envelope: Envelope = { apiVersion: '', kind: '', raw: new Uint8Array(), contentType: '' }
    const reader = Reader.create(bytes.subarray(magic.length))
    while (reader.pos < reader.len) {
      const tag = reader.uint32()
      if (tag >>> 3 === 1) readTypeMeta(reader.bytes(), envelope)
      else if (tag >>> 3 === 2) envelope.raw = reader.bytes()
      else if (tag >>> 3 === 4) envelope.contentType = reader.string()
      else reader.skipType(tag & 7)
    }
    return envelope
  })
}

function readTypeMeta(bytes: Uint8Array, into: Envelope): void {
  const reader = Reader.create(bytes)
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag >>> 3 === 1) into.apiVersion = reader.string()
    else if (tag >>> 3 === 2) into.kind = reader.string()
    else reader.skipType(tag & 7)
  }
}

/**
 * Decodes a protobuf request body. `schemaOf` finds the schema of the kind that the body names, since a body may be of
 * another kind than its URL (DeleteOptions); undefined makes it a 400.
 * @throws StatusError BadRequest
 */
export function decodeProtobuf(
  bytes: Uint8Array,
  schemaOf: (group: string, version: string, kind: string) => Schema | undefined,
): Decoded {
  const { apiVersion, kind, raw, contentType } = decodeEnvelope(bytes)
  if (contentType !== '' && contentType !== protobufMediaType) {
    throw errors.badRequest(`unsupported content type ${JSON.stringify(contentType)} inside of a protobuf message`)
  }
  const slash = apiVersion.indexOf('/')
  const schema = schemaOf(slash < 0 ? '' : apiVersion.slice(0, slash), apiVersion.slice(slash + 1), kind)
  if (!schema) {
    throw errors.badRequest(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`)
  }
  const value = { apiVersion, kind, ...(worded(() => decodeMessage(raw, schema)) as object) }
  if (nestingOf(value, 0) > maxBodyDepth) throw errors.badRequest(`exceeded max depth of ${maxBodyDepth}`)
  return { value, strictErrors: conform(value, schema) }
}

/** RawExtension and JSON carry text of their own depth. */
function nestingOf(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null || depth > maxBodyDepth) return depth
  let deepest = depth
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) deepest = Math.max(deepest, nestingOf(member, depth + 1))
  }
  return deepest
}

/** The lookup of {@link decodeProtobuf} for built-in kinds. */
export function builtinSchemaOf(
  graph: SchemaGraph,
): (group: string, version: string, kind: string) => Schema | undefined {
  return (group, version, kind) => graph.byKind(group, version, kind)
}

/**
 * Encodes an answer. Objects without protobuf form (custom resources, Tables) have no schema here: answer those in JSON.
 */
export function encodeProtobuf(object: { apiVersion: string; kind: string }, schema: Schema): Uint8Array {
  const writer = Writer.create()
  writer.uint32((1 << 3) | wireType.bytes).fork()
  writer.uint32((1 << 3) | wireType.bytes).string(object.apiVersion)
  writer.uint32((2 << 3) | wireType.bytes).string(object.kind)
  writer.ldelim()
  writer.uint32((2 << 3) | wireType.bytes).fork()
  encodeMessage(object, schema, writer)
  writer.ldelim()
  writer.uint32((3 << 3) | wireType.bytes).string('')
  writer.uint32((4 << 3) | wireType.bytes).string('')
  return withMagic(writer.finish())
}

/**
 * One event of a watch that asked for protobuf, as a frame: its length in four bytes, big endian, and a bare
 * meta/v1 WatchEvent whose object is the encoded object itself (apimachinery's LengthDelimitedFramer).
 */
export function encodeWatchEvent(type: string, encodedObject: Uint8Array): Uint8Array {
  const writer = Writer.create()
  writer.uint32((1 << 3) | wireType.bytes).string(type)
  writer.uint32((2 << 3) | wireType.bytes).fork()
  writer.uint32((1 << 3) | wireType.bytes).bytes(encodedObject)
  writer.ldelim()
  const event = writer.finish()
  const frame = new Uint8Array(4 + event.length)
  new DataView(frame.buffer).setUint32(0, event.length)
  frame.set(event, 4)
  return frame
}

function withMagic(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(magic.length + message.length)
  bytes.set(magic)
  bytes.set(message, magic.length)
  return bytes
}

/** protobufjs and our own bounds throw plain errors: whatever they are, the body is at fault. */
function worded<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw errors.badRequest(
      `unable to decode protobuf message: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}
