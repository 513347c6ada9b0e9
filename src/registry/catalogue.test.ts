import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ResourceDefinition } from '../kinds/definition.ts'
import { createCatalogue } from './catalogue.ts'
import { compileJsonPath } from './custom/json-path.ts'
import { compareVersions } from './version-order.ts'

const definition = (group: string, version: string, resource: string, verbs = ['list']): ResourceDefinition => ({
  group,
  version,
  resource,
  singular: '',
  kind: resource,
  listKind: '',
  namespaced: true,
  verbs,
  shortNames: [],
  categories: [],
  schemaName: '',
  storageVersion: version,
  subresources: [],
  strategy: {},
  subresourceStrategies: {},
  columns: [],
  selectableFields: () => ({}),
  decided: false,
  hasGeneration: false,
})

test('versions are preferred as Kubernetes prefers them', () => {
  const versions = ['v1alpha1', 'foo1', 'v2', 'v11beta2', 'v10', 'v3beta1', 'v1', 'v11alpha2', 'foo10', 'v12alpha1']
  expect(versions.toSorted(compareVersions)).toEqual([
    'v10',
    'v2',
    'v1',
    'v11beta2',
    'v3beta1',
    'v12alpha1',
    'v11alpha2',
    'v1alpha1',
    'foo1',
    'foo10',
  ])
})

test('the order of versions is total', () => {
  const version = fc.stringMatching(/^(v[1-9](alpha|beta)?[1-9]?|[a-z]{1,3})$/)
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      expect(Math.sign(compareVersions(a, b)) + Math.sign(compareVersions(b, a))).toBe(0)
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) expect(compareVersions(a, c)).toBeLessThanOrEqual(0)
    }),
  )
})

test('a CRD never shadows a built-in kind, and leaves no trace when withdrawn', () => {
  const built = definition('apps', 'v1', 'deployments')
  const catalogue = createCatalogue([built])
  let changes = 0
  const stop = catalogue.onChange(() => changes++)
  catalogue.set('crd', [
    { ...built, kind: 'Other' },
    definition('x.io', 'v1', 'things'),
    definition('x.io', 'v2', 'things', []),
  ])
  expect(catalogue.find('apps', 'v1', 'deployments')).toBe(built)
  expect(catalogue.preferred({ group: 'x.io', resource: 'things' })?.version).toBe('v1')
  expect(catalogue.groups().at(-1)).toEqual({ group: 'x.io', versions: ['v1'] })
  expect(catalogue.find('x.io', 'v2', 'things')).toBeDefined()
  catalogue.set('crd', [])
  expect(catalogue.groups().map(({ group }) => group)).toEqual(['apps'])
  stop()
  catalogue.set('crd', [])
  expect(changes).toBe(2)
})

test.each([
  ['.spec.size', [3]],
  ['{.spec.size}', [3]],
  ['.list[0].type', ['A']],
  ['.list[-1].type', ['B']],
  ['.list[*].type', ['A', 'B']],
  ['.list[?(@.type=="B")].status', ['yes']],
  [".map['a.b']", ['dotted']],
  [String.raw`.map.a\.b`, ['dotted']],
  ['.nothing.here', []],
])('JSONPath %s', (path, expected) => {
  const value = { spec: { size: 3 }, list: [{ type: 'A' }, { type: 'B', status: 'yes' }], map: { 'a.b': 'dotted' } }
  expect(compileJsonPath(path)?.(value)).toEqual(expected)
})

test('what is no JSONPath is none', () => {
  fc.assert(fc.property(fc.string(), (text) => void compileJsonPath(text)?.({ a: [1] })))
  expect(compileJsonPath('.a[')).toBeUndefined()
})
