import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../api/object.ts'
import { loadBuiltinSchemas } from '../schema/graph.ts'
import { allTraits } from './all-traits.ts'
import { builtinResources } from './builtin.ts'
import { newestVersion } from './versions.ts'

const graph = loadBuiltinSchemas()
const definitions = builtinResources(graph)
const find = (group: string, version: string, resource: string) => {
  const found = definitions.find((one) => one.group === group && one.version === version && one.resource === resource)
  if (!found) throw new Error(`no ${resource}.${version}.${group}`)
  return found
}

describe('every resource', () => {
  test('has a definition, and the traits belong to resources that exist', () => {
    expect(definitions).toHaveLength(graph.resources.length)
    const known = new Set(definitions.map(({ group, resource }) => `${group}/${resource}`))
    expect(allTraits.filter(({ group, resource }) => !known.has(`${group}/${resource}`))).toEqual([])
  })

  test('has a schema', () => {
    expect(definitions.filter(({ schemaName }) => graph.get(schemaName) === undefined).map(({ kind }) => kind)).toEqual(
      [],
    )
  })

  test('has a storage version that is served, and a way there', () => {
    for (const definition of definitions) {
      const at = definition.storedAs ?? definition
      const storage = definitions.find(
        (one) => one.group === at.group && one.resource === at.resource && one.version === definition.storageVersion,
      )
      expect(storage, definition.kind).toBeDefined()
      if (storage !== definition) expect(definition.convertTo, definition.kind).toBeDefined()
    }
  })

  test.each([{}, { spec: {}, status: {} }])('survives an object that has nothing but a name and %j', (parts) => {
    for (const definition of definitions) {
      const bare = (): KubeObject => ({
        apiVersion: 'v1',
        kind: definition.kind,
        metadata: { name: 'a', namespace: 'b' },
        ...structuredClone(parts),
      })
      for (const strategy of [definition.strategy, ...Object.values(definition.subresourceStrategies)]) {
        // Nothing is defaulted in between: a user's mistake must be a refusal, whatever came before.
        strategy.prepareForCreate?.(bare())
        strategy.prepareForUpdate?.(bare(), bare())
        strategy.validate?.(bare())
        strategy.validateUpdate?.(bare(), bare())
        strategy.warnings?.(bare())
        const once = bare()
        strategy.applyDefaults?.(once)
        const twice = structuredClone(once)
        strategy.applyDefaults?.(twice)
        expect(twice).toEqual(once)
      }
      for (const column of definition.columns) column.cell(bare(), 0)
      expect(definition.selectableFields(bare())).toMatchObject({ 'metadata.name': 'a' })
    }
  })
})

test('what is stored can be watched', () => {
  expect(find('', 'v1', 'pods').verbs).toContain('watch')
  expect(find('', 'v1', 'componentstatuses').verbs).not.toContain('watch')
  expect(find('', 'v1', 'bindings').verbs).toEqual(['create'])
})

test('discovery names methods, not connecting', () => {
  expect(find('', 'v1', 'pods').subresources.find(({ name }) => name === 'exec')?.verbs).toEqual(['create', 'get'])
})

test('versions are ordered by their maturity', () => {
  expect(newestVersion(['v1beta1', 'v1alpha3', 'v1', 'v1beta2'])).toBe('v1')
  expect(newestVersion(['v1', 'v2'])).toBe('v2')
  expect(newestVersion(['v1alpha1', 'v1beta1'])).toBe('v1beta1')
})

test('a status is written through its subresource alone', () => {
  const { strategy, subresourceStrategies } = find('apps', 'v1', 'deployments')
  const old = deployment(1, { replicas: 1 })
  const main = deployment(2, { replicas: 9 })
  strategy.prepareForUpdate?.(main, old)
  expect(main).toEqual(deployment(2, { replicas: 1 }))
  const viaStatus = deployment(2, { replicas: 9 })
  subresourceStrategies['status']?.prepareForUpdate?.(viaStatus, old)
  expect(viaStatus).toEqual(deployment(1, { replicas: 9 }))
})

test('a node may register with its status, a deployment may not', () => {
  const node = { ...deployment(1, { phase: 'x' }), kind: 'Node' }
  find('', 'v1', 'nodes').strategy.prepareForCreate?.(node)
  expect(node).toHaveProperty('status')
  const created = deployment(1, { replicas: 1 })
  find('apps', 'v1', 'deployments').strategy.prepareForCreate?.(created)
  expect(created).not.toHaveProperty('status')
})

function deployment(replicas: number, status: object): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'a' },
    spec: { replicas },
    status,
  } as KubeObject
}
