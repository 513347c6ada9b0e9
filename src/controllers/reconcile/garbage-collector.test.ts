import { afterEach, beforeEach, expect, test } from 'vitest'
import { createAbsence } from '../absence.ts'
import { startCluster, type TestCluster } from '../testing/cluster.ts'
import { garbageCollector } from './garbage-collector.ts'

let cluster: TestCluster
const configMaps = { group: '', resource: 'configmaps' }
const all = [{ ref: configMaps, kind: 'ConfigMap', namespaced: true }]

beforeEach(async () => {
  cluster = await startCluster({
    controllers: () => [garbageCollector({ all: () => all, onChange: () => () => undefined }, createAbsence(1000))],
  })
})
afterEach(() => cluster.stop())

const make = (name: string) => cluster.create(configMaps, { metadata: { name, namespace: 'default' } })
const own = (dependent: string, owner: string) => {
  const { uid = '' } = cluster.get(configMaps, owner, 'default')!.metadata
  return cluster.change(configMaps, dependent, ({ metadata }) => {
    metadata.ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: owner, uid, blockOwnerDeletion: true }]
  })
}
const names = () => cluster.list(configMaps).map(({ metadata }) => metadata.name)
const foreground = { propagationPolicy: 'Foreground' } as const

test('a circle of owners that wait for each other is broken', async () => {
  for (const name of ['a', 'b', 'c']) await make(name)
  await own('a', 'c')
  await own('b', 'a')
  await own('c', 'b')
  await cluster.pass()
  await cluster.client.delete(configMaps, 'default', 'a', foreground)
  await cluster.pass()
  expect(names()).toEqual([])
})

test('in a chain each waits for what it owns, however deep', async () => {
  for (const name of ['a', 'b', 'c']) await make(name)
  await own('b', 'a')
  await own('c', 'b')
  await cluster.change(configMaps, 'c', ({ metadata }) => void (metadata.finalizers = ['example.com/hold']))
  await cluster.client.delete(configMaps, 'default', 'a', foreground)
  await cluster.pass()
  expect(names()).toEqual(['a', 'b', 'c'])
  await cluster.change(configMaps, 'c', ({ metadata }) => void (metadata.finalizers = []))
  await cluster.pass()
  expect(names()).toEqual([])
})
