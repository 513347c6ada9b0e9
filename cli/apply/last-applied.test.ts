import { expect, it } from 'vitest'
import { lastAppliedAnnotation, upgradedManagers, withLastApplied } from './last-applied.ts'

it('records what was applied as kubectl does', () => {
  const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a' }, data: { b: '<1>', a: 'x' } }
  expect(withLastApplied(object, 'web').metadata.annotations?.[lastAppliedAnnotation]).toBe(
    '{"apiVersion":"v1","data":{"a":"x","b":"\\u003c1\\u003e"},"kind":"ConfigMap","metadata":{"annotations":{},"name":"a","namespace":"web"}}\n',
  )
})

it('does not record the record, nor one that is too large', () => {
  const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a' } }
  const twice = withLastApplied(withLastApplied(object, 'web'), 'web')
  expect(twice).toEqual(withLastApplied(object, 'web'))
  const large = { ...object, data: { a: 'x'.repeat(300_000) } }
  expect(withLastApplied(large, 'web')).toBe(large)
})

it('gives the fields of a client-side apply to who applies now', () => {
  const entry = (manager: string, operation: string, fields: Record<string, unknown>) => ({
    manager,
    operation,
    fieldsV1: fields,
  })
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'a',
      managedFields: [
        entry('other', 'Update', { 'f:x': {} }),
        entry('kubectl-client-side-apply', 'Update', { 'f:data': { 'f:a': {} } }),
        entry('stormo', 'Apply', { 'f:data': { 'f:b': {} } }),
      ],
    },
  }
  expect(upgradedManagers(object, 'stormo')).toEqual([
    entry('other', 'Update', { 'f:x': {} }),
    entry('stormo', 'Apply', { 'f:data': { 'f:a': {}, 'f:b': {} } }),
  ])
  expect(upgradedManagers({ ...object, metadata: { name: 'a' } }, 'stormo')).toBeUndefined()
})
