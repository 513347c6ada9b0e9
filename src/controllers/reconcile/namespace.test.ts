import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Namespace } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { startCluster, type TestCluster } from '../testing/cluster.ts'
import { namespaceController } from './namespace.ts'

let cluster: TestCluster
const all = [{ ref: refs.configMaps, kind: 'ConfigMap', namespaced: true }]
beforeEach(async () => {
  cluster = await startCluster({
    controllers: () => [namespaceController({ all: () => all, onChange: () => () => undefined })],
  })
})
afterEach(() => cluster.stop())

test('a namespace that is being emptied says what it waits for, and goes when nothing is left', async () => {
  await cluster.create(refs.namespaces, { metadata: { name: 'going' } })
  const metadata = { name: 'held', namespace: 'going', finalizers: ['example.com/hold'] }
  await cluster.create(refs.configMaps, { metadata })
  await cluster.client.delete(refs.namespaces, '', 'going')
  await cluster.pass()
  const { status } = cluster.get<Namespace>(refs.namespaces, 'going')!
  expect(status?.phase).toBe('Terminating')
  expect(status?.conditions?.map((one) => `${one.type} ${one.status} ${one.reason}: ${one.message}`)).toEqual([
    'NamespaceDeletionDiscoveryFailure False ResourcesDiscovered: All resources successfully discovered',
    'NamespaceDeletionGroupVersionParsingFailure False ParsedGroupVersions: All legacy kube types successfully parsed',
    'NamespaceDeletionContentFailure False ContentDeleted: All content successfully deleted, may be waiting on finalization',
    'NamespaceContentRemaining True SomeResourcesRemain: Some resources are remaining: configmaps. has 1 resource instances',
    'NamespaceFinalizersRemaining True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
  ])
  await cluster.client.mutate(refs.configMaps, 'going', 'held', (object) => {
    object.metadata.finalizers = []
    return object
  })
  await cluster.pass()
  expect(cluster.get(refs.namespaces, 'going')).toBeUndefined()
})
