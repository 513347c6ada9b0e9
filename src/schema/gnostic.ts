import { Writer } from 'protobufjs/minimal.js'

type Json = Record<string, unknown>

/** Content-Type of the OpenAPI v2 document in protobuf: clients parse it, and fail on the `@` that they ask with. */
export const openApiV2ProtobufMediaType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

/** How one JSON member is written: its field number and the form of its value. */
type Entry = readonly [proto: number, form: Form]
type Form =
  | 'string'
  | 'strings'
  | 'bool'
  | 'double'
  | 'int64'
  | 'any'
  | 'anys'
  | Shape
  | readonly [Shape]
  | Named
  | Wrapped

/** A message by its JSON members; `x-…` members go to the number of its vendor extensions. */
interface Shape {
  members: () => Readonly<Record<string, Entry>>
  extensions?: number
}

/** An object whose members become repeated {name, value} pairs at number `entries`. */
interface Named {
  named: Shape
  entries: number
  /** Members that start so are entries; all when absent. */
  extensions?: number
}

/** A message that holds the value in its only field. */
interface Wrapped {
  wrap: (value: unknown) => readonly [proto: number, form: Form]
}

const schema: Shape = { members: () => schemaMembers, extensions: 31 }
const schemaItem: Wrapped = { wrap: () => [1, schema] }
const schemaMembers: Readonly<Record<string, Entry>> = {
  $ref: [1, 'string'],
  format: [2, 'string'],
  title: [3, 'string'],
  description: [4, 'string'],
  default: [5, 'any'],
  multipleOf: [6, 'double'],
  maximum: [7, 'double'],
  exclusiveMaximum: [8, 'bool'],
  minimum: [9, 'double'],
  exclusiveMinimum: [10, 'bool'],
  maxLength: [11, 'int64'],
  minLength: [12, 'int64'],
  pattern: [13, 'string'],
  maxItems: [14, 'int64'],
  minItems: [15, 'int64'],
  uniqueItems: [16, 'bool'],
  maxProperties: [17, 'int64'],
  minProperties: [18, 'int64'],
  required: [19, 'strings'],
  enum: [20, 'anys'],
  additionalProperties: [21, { wrap: (value) => (typeof value === 'boolean' ? [2, 'bool'] : [1, schema]) }],
  type: [22, { wrap: (value) => [1, Array.isArray(value) ? 'strings' : 'string'] }],
  items: [23, schemaItem],
  allOf: [24, [schema]],
  properties: [25, { named: schema, entries: 1 }],
}

const typedParameter = (type: number): Shape => ({
  members: () => ({
    required: [1, 'bool'],
    in: [2, 'string'],
    description: [3, 'string'],
    name: [4, 'string'],
    type: [type, 'string'],
    uniqueItems: [uniqueItemsOf(type), 'bool'],
  }),
})

/** Query parameters have `allow_empty_value` before their type, path parameters do not. */
function uniqueItemsOf(type: number): number {
  return type === 6 ? 20 : 19
}

const bodyParameter: Shape = {
  members: () => ({
    description: [1, 'string'],
    name: [2, 'string'],
    in: [3, 'string'],
    required: [4, 'bool'],
    schema: [5, schema],
  }),
}

const nonBodyParameter: Wrapped = {
  wrap: (value) => ((value as Json)['in'] === 'path' ? [4, typedParameter(5)] : [3, typedParameter(6)]),
}

/** ParametersItem { parameter { body or non-body } }. */
const parameterItem: Wrapped = {
  wrap: () => [1, { wrap: (value) => ((value as Json)['in'] === 'body' ? [1, bodyParameter] : [2, nonBodyParameter]) }],
}

const response: Shape = { members: () => ({ description: [1, 'string'], schema: [2, schemaItem] }) }
const responseValue: Shape = { members: () => ({ response: [1, response] }) }

const operation: Shape = {
  members: () => ({
    tags: [1, 'strings'],
    operationId: [5, 'string'],
    produces: [6, 'strings'],
    consumes: [7, 'strings'],
    parameters: [8, { wrap: parameterItem.wrap }],
    responses: [9, { named: responseValue, entries: 1 }],
    schemes: [10, 'strings'],
  }),
  extensions: 13,
}

const pathItem: Shape = {
  members: () => ({
    get: [2, operation],
    put: [3, operation],
    post: [4, operation],
    delete: [5, operation],
    patch: [8, operation],
    parameters: [9, { wrap: parameterItem.wrap }],
  }),
}

const document: Shape = {
  members: () => ({
    swagger: [1, 'string'],
    info: [2, { members: () => ({ title: [1, 'string'], version: [2, 'string'] }) }],
    paths: [8, { named: pathItem, entries: 2 }],
    definitions: [9, { named: schema, entries: 1 }],
  }),
}

/**
 * The OpenAPI v2 document as gnostic's `openapi.v2.Document`, which kubectl before 1.29 reads. Security definitions are
 * left out: no client looks at them.
 */
export function encodeGnosticV2(openApi: Json): Uint8Array {
  const writer = Writer.create()
  writeShape(withResponses(openApi), document, writer)
  return writer.finish()
}

/** A response stands in a ResponseValue, which may be a reference instead; the JSON does not show that step. */
function withResponses(openApi: Json): Json {
  const paths = Object.entries(openApi['paths'] as Record<string, Json>).map(([path, item]) => [
    path,
    Object.fromEntries(Object.entries(item).map(([method, one]) => [method, wrapResponses(one)])),
  ])
  return { ...openApi, paths: Object.fromEntries(paths) }
}

function wrapResponses(one: unknown): unknown {
  if (typeof one !== 'object' || one === null || !('responses' in one)) return one
  const responses = Object.entries(one.responses as Json).map(([code, response]) => [code, { response }])
  return { ...one, responses: Object.fromEntries(responses) }
}

function writeShape(value: Json, shape: Shape, writer: Writer): void {
  const members = shape.members()
  for (const [name, member] of Object.entries(value)) {
    const entry = Object.hasOwn(members, name) ? members[name] : undefined
    if (entry) writeForm(member, entry[0], entry[1], writer)
    else if (shape.extensions !== undefined && name.startsWith('x-')) {
      writer.uint32((shape.extensions << 3) | 2).fork()
      writer.uint32(10).string(name)
      writeForm(member, 2, 'any', writer)
      writer.ldelim()
    }
  }
}

function writeForm(value: unknown, proto: number, form: Form, writer: Writer): void {
  const bytes = (proto << 3) | 2
  if (form === 'string') writer.uint32(bytes).string(String(value))
  else if (form === 'strings') for (const one of value as string[]) writer.uint32(bytes).string(one)
  else if (form === 'bool') writer.uint32(proto << 3).bool(value === true)
  else if (form === 'double') writer.uint32((proto << 3) | 1).double(Number(value))
  else if (form === 'int64') writer.uint32(proto << 3).int64(Number(value))
  // Any { yaml = 2 }: JSON is YAML.
  else if (form === 'any') writer.uint32(bytes).fork().uint32(18).string(JSON.stringify(value)).ldelim()
  else if (form === 'anys') for (const one of value as unknown[]) writeForm(one, proto, 'any', writer)
  else writeMessage(value, bytes, form, writer)
}

function writeMessage(
  value: unknown,
  bytes: number,
  form: Shape | readonly [Shape] | Named | Wrapped,
  writer: Writer,
): void {
  if (Array.isArray(form)) {
    for (const one of value as unknown[]) writeMessage(one, bytes, form[0] as Shape, writer)
  } else if ('wrap' in form) {
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      const [proto, inner] = form.wrap(one)
      writer.uint32(bytes).fork()
      writeForm(one, proto, inner, writer)
      writer.ldelim()
    }
  } else if ('named' in form) {
    writer.uint32(bytes).fork()
    for (const [name, one] of Object.entries(value as Json)) {
      writer.uint32((form.entries << 3) | 2).fork()
      writer.uint32(10).string(name)
      writeMessage(one, 18, form.named, writer)
      writer.ldelim()
    }
    writer.ldelim()
  } else {
    writer.uint32(bytes).fork()
    writeShape(value as Json, form as Shape, writer)
    writer.ldelim()
  }
}
