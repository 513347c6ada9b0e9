import fc from 'fast-check'
import { expect, test } from 'vitest'
import { schemaFromOpenApi } from './structural.ts'
import { leaf } from './graph.ts'
import { validateValue } from './value-validation.ts'

const text = { type: 'string', enum: ['good'] }
const schema = schemaFromOpenApi(
  {
    type: 'object',
    properties: {
      field: text,
      list: {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['key'],
        items: { type: 'object', properties: { key: { type: 'string' }, field: text } },
      },
      set: { type: 'array', 'x-kubernetes-list-type': 'set', items: text },
      map: { type: 'object', additionalProperties: text },
    },
  },
  leaf('object'),
)
const faults = (value: object, old?: object) => validateValue(value, schema, old).map(({ field }) => field)

test('what is as it was is not held against the object, wherever it moved', () => {
  const old = { field: 'bad', list: [{ key: 'a', field: 'bad' }, { key: 'b' }], map: { x: 'bad' } }
  expect(faults(old)).toEqual(['field', 'list[0].field', 'map.x'])
  const moved = { ...old, list: [{ key: 'c' }, { key: 'b' }, { key: 'a', field: 'bad' }], map: { x: 'bad', y: 'good' } }
  expect(faults(moved, old)).toEqual([])
  expect(faults({ ...moved, map: { x: 'bad', y: 'bad' } }, old)).toEqual(['map.y'])
  expect(faults({ ...moved, field: 'worse' }, old)).toEqual(['field'])
})

test('items of a set have no old value, the set as a whole has', () => {
  expect(faults({ set: ['bad'] }, { set: ['bad'] })).toEqual([])
  expect(faults({ set: ['bad', 'good'] }, { set: ['bad'] })).toEqual(['set[0]'])
})

test('nothing is refused that was there, and nothing new is let through', () => {
  const word = fc.constantFrom('good', 'bad', 'worse')
  const object = fc.record(
    {
      field: word,
      list: fc.uniqueArray(fc.record({ key: fc.constantFrom('a', 'b', 'c'), field: word }), {
        selector: ({ key }) => key,
      }),
      map: fc.dictionary(fc.constantFrom('x', 'y'), word),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(object, object, (value, old) => {
      expect(faults(value, value)).toEqual([])
      const all = faults(value)
      const left = faults(value, old)
      expect(all).toEqual(expect.arrayContaining(left))
      expect(left.includes('field')).toBe(
        value.field !== undefined && value.field !== 'good' && value.field !== old.field,
      )
    }),
  )
})
