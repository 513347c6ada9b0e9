import { expect, test } from 'vitest'
import type { ResourceDefinition } from '../../kinds/definition.ts'
import { validateSchemas } from './schema-validation.ts'

const definition = { group: 'apiextensions.k8s.io', resource: 'customresourcedefinitions' } as ResourceDefinition
const crd = (schema: object) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'a' },
  spec: { versions: [{ name: 'v1', schema: { openAPIV3Schema: schema } }] },
})
const root = (spec: object) => ({ type: 'object', properties: { spec } })
const faults = (schema: object) =>
  validateSchemas(definition, crd(schema), undefined).map(({ field, message }) =>
    `${field}: ${message}`.replace('spec.validation.openAPIV3Schema.', ''),
  )
const text = { type: 'string' }
const rule = (of: string) => ({ 'x-kubernetes-validations': [{ rule: of }] })

test.each<[string, object]>([
  [
    'properties[spec].properties[a].type: Required value: must not be empty for specified object fields',
    root({ type: 'object', properties: { a: { properties: {} } } }),
  ],
  [
    'properties[spec].items.type: Required value: must not be empty for specified array items',
    root({ type: 'array', items: {} }),
  ],
  ['properties[spec].items: Required value: must be specified', root({ type: 'array' })],
  [
    'properties[spec].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive',
    root({ type: 'object', properties: { a: text }, additionalProperties: text }),
  ],
  [
    'properties[spec].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
    root({ type: 'array', uniqueItems: true, items: text }),
  ],
  [
    'properties[spec].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map',
    root({ type: 'array', 'x-kubernetes-list-type': 'map', items: { type: 'object' } }),
  ],
  [
    'properties[spec].items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
    root({
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['a'],
      items: { type: 'object', properties: { a: text } },
    }),
  ],
  [
    'properties[spec].anyOf[0].type: Forbidden: must be empty to be structural',
    root({ type: 'object', anyOf: [{ type: 'object' }] }),
  ],
  [
    'properties[spec].properties[b]: Required value: because it is defined in spec.validation.openAPIV3Schema.properties[spec].oneOf[0].not.properties[b]',
    root({ type: 'object', properties: { a: text }, oneOf: [{ not: { properties: { b: { minLength: 1 } } } }] }),
  ],
  [
    'properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified',
    { type: 'object', properties: { metadata: { type: 'object', properties: { labels: { type: 'object' } } } } },
  ],
  [
    'properties[spec].type: Invalid value: "string": must be empty if x-kubernetes-int-or-string is true',
    root({ ...text, 'x-kubernetes-int-or-string': true }),
  ],
  ['properties[spec].type: Unsupported value: "strng"', root({ type: 'strng' })],
  ['properties[spec].pattern: Invalid value: "("', root({ ...text, pattern: '(' })],
  ['properties[spec].default: Invalid value: 5', root({ ...text, default: 5 })],
  ['properties[spec].$ref: Forbidden: $ref is not supported', root({ ...text, $ref: '#/a' })],
  [
    'properties[spec].items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within spec.validation.openAPIV3Schema.properties[spec]',
    root({ type: 'array', items: { ...text, maxLength: 9, ...rule('self == oldSelf') } }),
  ],
  [
    'properties[spec].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x',
    root({
      type: 'object',
      properties: { x: { type: 'array', items: text } },
      ...rule('self.x.all(i, self.x.all(j, i == j))'),
    }),
  ],
])('%s', (fault, schema) => {
  const found = faults(schema)
  expect(found.filter((one) => one.startsWith(fault))).toHaveLength(1)
  expect(found).toHaveLength(1)
})

test('what generators write is structural', () => {
  const port = { 'x-kubernetes-int-or-string': true }
  const schema = {
    type: 'object',
    description: 'A kind',
    required: ['spec'],
    properties: {
      apiVersion: text,
      kind: text,
      metadata: { type: 'object' },
      spec: {
        type: 'object',
        properties: {
          either: { ...port, anyOf: [{ type: 'integer' }, { type: 'string' }] },
          quantity: {
            ...port,
            allOf: [{ anyOf: [{ type: 'integer' }, { type: 'string' }] }, { maxLength: 10 }],
            pattern: '^[0-9]+$',
          },
          free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          any: { 'x-kubernetes-preserve-unknown-fields': true },
          labels: { type: 'object', additionalProperties: text },
          template: {
            type: 'object',
            'x-kubernetes-embedded-resource': true,
            'x-kubernetes-preserve-unknown-fields': true,
          },
          ports: {
            type: 'array',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['port', 'protocol'],
            items: {
              type: 'object',
              required: ['port'],
              properties: { port: { type: 'integer' }, protocol: { ...text, default: 'TCP' } },
              ...rule('self.port > 0'),
            },
          },
        },
        default: { labels: {} },
        oneOf: [{ required: ['free'] }, { not: { required: ['any'] } }],
        ...rule('!has(self.ports) || self.ports.all(p, p.port != 22)'),
      },
    },
  }
  expect(faults(schema)).toEqual([])
})

test('a bound makes a rule cheap enough, and the bounds of lists multiply', () => {
  const nested = (maxItems: number) => ({
    type: 'array',
    maxItems,
    items: { type: 'array', maxItems, items: { ...text, maxLength: 10 } },
  })
  const schema = (maxItems: number) => root({ ...nested(maxItems), ...rule('self.all(a, a.all(b, b != "no"))') })
  expect(faults(schema(100))).toEqual([])
  expect(faults(schema(10_000))[0]).toContain('estimated rule cost exceeds budget by factor of ')
})

test('what functions do with text counts by its length, which maxLength, enum and format bound', () => {
  const list = (items: object, bounds: object = {}) =>
    root({
      type: 'array',
      ...bounds,
      items: { ...text, ...items },
      ...rule("self.all(x, x.contains('a string to look for'))"),
    })
  expect(faults(list({}))[0]).toContain('exceeds budget by factor of more than 100x')
  expect(faults(list({}, { maxItems: 25 }))[0]).toContain('exceeds budget by factor of')
  expect(faults(list({ maxLength: 10 }, { maxItems: 25 }))).toEqual([])
  expect(faults(list({ enum: ['a', 'b'] }, { maxItems: 25 }))).toEqual([])
  expect(faults(list({ format: 'date' }, { maxItems: 25 }))).toEqual([])
  const matched = (maxLength: number) => root({ ...text, maxLength, ...rule(`self.matches('${'a'.repeat(400)}')`) })
  expect(faults(matched(1000))).toEqual([])
  expect(faults(matched(1_000_000))[0]).toContain('exceeds budget by factor of')
})

test('rules that are cheap each may cost too much together', () => {
  const one = { type: 'array', maxItems: 1000, items: { type: 'array', maxItems: 2000, items: text } }
  const properties = Object.fromEntries(
    Array.from({ length: 30 }, (_, at) => [`p${at}`, { ...one, ...rule('self.all(a, a.all(b, b != ""))') }]),
  )
  const found = faults(root({ type: 'object', properties }))
  expect(found[0]).toContain(
    'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema',
  )
  expect(found.at(-1)).toContain('estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of')
})

test('what was stored already is not judged again', () => {
  const stored = crd(root({ type: 'array' }))
  expect(validateSchemas(definition, structuredClone(stored), stored)).toEqual([])
})
