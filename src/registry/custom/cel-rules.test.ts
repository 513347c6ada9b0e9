import { expect, test } from 'vitest'
import { leaf } from '../../schema/graph.ts'
import { schemaFromOpenApi } from '../../schema/structural.ts'
import { checkRules } from './cel-rules.ts'

const list = { type: 'array', items: { type: 'integer' } }
const root = (validations: object[], properties: object = { list }) =>
  schemaFromOpenApi(
    { type: 'object', properties: { spec: { type: 'object', properties, 'x-kubernetes-validations': validations } } },
    leaf('object'),
  )
const messages = (validations: object[], spec: object) =>
  checkRules({ spec }, undefined, root(validations)).map(({ field, message }) => `${field}: ${message}`)
const long = { list: Array.from({ length: 1000 }, (_, at) => at) }
const pairs = 'self.list.all(a, self.list.all(b, a + b >= 0))'

test('a rule that fails tells the type of what it is about, as upstream', () => {
  expect(
    messages(
      [
        { rule: 'self.list.size() < 2' },
        { rule: 'false', message: 'short ' },
        { rule: 'false', messageExpression: '"has " + string(self.list.size())' },
        { rule: 'false', message: 'plain', messageExpression: 'self.list.map(x, string(x))[9]' },
        { rule: 'self.list[9] == 1', message: 'tenth' },
        { rule: 'false', reason: 'FieldValueRequired', fieldPath: '.list', message: 'there must be one' },
      ],
      { list: [1, 2] },
    ),
  ).toEqual([
    'spec: Invalid value: "object": failed rule: self.list.size() < 2',
    'spec: Invalid value: "object": short',
    'spec: Invalid value: "object": has 2',
    'spec: Invalid value: "object": plain',
    expect.stringMatching(/^spec: Invalid value: "object": .* evaluating rule: tenth$/),
    'spec.list: Required value: there must be one',
  ])
})

test('a rule that costs too much ends the check', () => {
  expect(messages([{ rule: pairs }, { rule: 'false' }], long)).toEqual([
    `spec: Invalid value: "object": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: ${pairs}`,
  ])
})

test('so do rules that cost too much together', () => {
  const half = 'self.list.all(a, self.list.exists(b, b >= 330))'
  const found = messages(
    Array.from({ length: 20 }, () => ({ rule: half })),
    { list: long.list.slice(0, 400) },
  )
  expect(found).toEqual([
    'spec: Invalid value: "object": validation failed due to running out of cost budget, no further validation rules will be run',
  ])
})
