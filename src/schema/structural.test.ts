import { describe, expect, it } from 'vitest'
import { decodeJson } from './decode.ts'
import { applySchemaDefaults } from './defaults.ts'
import { fieldLayout } from './field-layout.ts'
import { loadBuiltinSchemas } from './graph.ts'
import { schemaFromOpenApi } from './structural.ts'
import { validateValue } from './value-validation.ts'

const graph = loadBuiltinSchemas()
const metadata = graph.get('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta')!
const schema = schemaFromOpenApi(
  {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        required: ['cron'],
        properties: {
          cron: { type: 'string', pattern: '^(\\d+|\\*)(/\\d+)?$', maxLength: 5 },
          replicas: { type: 'integer', minimum: 1, maximum: 10, default: 2 },
          mode: { type: 'string', enum: ['A', 'B'] },
          note: { type: 'string', nullable: true },
          port: { 'x-kubernetes-int-or-string': true },
          tags: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
          ports: {
            type: 'array',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['name'],
            items: {
              type: 'object',
              required: ['name'],
              properties: { name: { type: 'string' }, at: { type: 'integer' } },
            },
          },
          free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          labels: { type: 'object', additionalProperties: { type: 'string' } },
          either: { type: 'object', properties: { a: {}, b: {} }, oneOf: [{ required: ['a'] }, { required: ['b'] }] },
          never: { type: 'string', not: { enum: ['x'] } },
          template: {
            type: 'object',
            'x-kubernetes-embedded-resource': true,
            'x-kubernetes-preserve-unknown-fields': true,
          },
        },
      },
    },
  },
  metadata,
)
const spec = (fields: object) => ({ metadata: { name: 'x' }, spec: { cron: '1', ...fields } })

describe('a custom resource', () => {
  it('loses unknown fields, but not where they are preserved', () => {
    const text = JSON.stringify({ ...spec({ foo: 1, free: { any: { thing: 1 } }, labels: { x: 'y' } }), bar: 1 })
    const { value, strictErrors } = decodeJson(text, schema)
    expect(strictErrors).toEqual(['unknown field "spec.foo"', 'unknown field "bar"'])
    expect(value).toEqual(spec({ free: { any: { thing: 1 } }, labels: { x: 'y' } }))
  })

  it('has typed metadata, its own and that of embedded resources', () => {
    expect(() => decodeJson('{"metadata":{"labels":{"a":1}}}', schema)).toThrow('of type string')
    expect(() => decodeJson('{"spec":{"template":{"metadata":{"name":1}}}}', schema)).toThrow('of type string')
  })

  it('is defaulted, nulls of what is not nullable included', () => {
    const value = spec({ replicas: null, note: null })
    applySchemaDefaults(value, schema)
    expect(value).toEqual(spec({ replicas: 2, note: null }))
  })

  it.each([
    [
      { replicas: 'x' },
      'spec.replicas',
      'Invalid value: "string": spec.replicas in body must be of type integer: "string"',
    ],
    [{ replicas: 0 }, 'spec.replicas', 'Invalid value: 0: spec.replicas in body should be greater than or equal to 1'],
    [{ replicas: 11 }, 'spec.replicas', 'Invalid value: 11: spec.replicas in body should be less than or equal to 10'],
    [{ cron: 'x' }, 'spec.cron', String.raw`Invalid value: "x": spec.cron in body should match '^(\d+|\*)(/\d+)?$'`],
    [{ cron: '123456' }, 'spec.cron', 'Too long: may not be more than 5 bytes'],
    [{ cron: undefined }, 'spec.cron', 'Required value'],
    [{ mode: 'C' }, 'spec.mode', 'Unsupported value: "C": supported values: "A", "B"'],
    [{ mode: null }, 'spec.mode', 'Invalid value: "null": spec.mode in body must be of type string: "null"'],
    [{ tags: ['a', 'b', 'a'] }, 'spec.tags[2]', 'Duplicate value: "a"'],
    [{ ports: [{ name: 'a' }, { name: 'a' }] }, 'spec.ports[1]', 'Duplicate value: {"name":"a"}'],
    [
      { port: true },
      'spec.port',
      'Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
    ],
    [{ never: 'x' }, 'spec.never', 'Invalid value: "x": spec.never in body must not validate the schema (not)'],
    [
      { either: { a: 1, b: 1 } },
      'spec.either',
      'Invalid value: "": spec.either in body must validate one and only one schema (oneOf). Found 2 valid alternatives',
    ],
  ])('is refused for %j', (fields, field, message) => {
    const value = JSON.parse(JSON.stringify(spec(fields)))
    expect(validateValue(value, schema)).toEqual([expect.objectContaining({ field, message })])
  })

  it('is accepted when it fits', () => {
    const fields = {
      replicas: 3,
      note: null,
      port: 'http',
      tags: ['a'],
      ports: [{ name: 'a' }, { name: 'b' }],
      either: { a: 1 },
    }
    expect(validateValue(spec(fields), schema)).toEqual([])
  })

  it('checks a hostile pattern in linear time', () => {
    const hostile = schemaFromOpenApi(
      { type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } },
      metadata,
    )
    expect(validateValue({ a: `${'a'.repeat(5000)}!` }, hostile)).toHaveLength(1)
  })
})

describe('fieldLayout', () => {
  const layout = fieldLayout(({ resource }) =>
    resource === 'pods' ? graph.byKind('', 'v1', 'Pod') : resource === 'crons' ? schema : undefined,
  )
  const pods = { group: '', resource: 'pods' }

  it.each([
    [pods, ['spec', 'containers'], ['name']],
    [pods, ['spec', 'containers', 'ports'], ['containerPort', 'protocol']],
    [pods, ['metadata', 'ownerReferences'], ['uid']],
    [pods, ['spec', 'containers', 'args'], undefined],
    [pods, ['spec', 'tolerations'], undefined],
    [pods, ['spec', 'nodeName'], undefined],
    [pods, ['nothing', 'there'], undefined],
    [{ group: 'x', resource: 'crons' }, ['spec', 'ports'], ['name']],
    [{ group: 'x', resource: 'others' }, ['spec', 'ports'], undefined],
  ])('%j %j is keyed by %j', (ref, path, keys) => expect(layout.listKeys(ref, path)).toEqual(keys))
})
