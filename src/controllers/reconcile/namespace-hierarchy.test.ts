import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Namespace, ResourceQuota, Role, RoleBinding } from '../../api/kinds.ts'
import { inheritedLabel, parentLabel } from '../../api/namespace-tree.ts'
import { refs } from '../../client/client.ts'
import { startCluster, type TestCluster } from '../testing/cluster.ts'
import { namespaceHierarchyController } from './namespace-hierarchy.ts'
import { resourceQuotaController } from './resource-quota.ts'

const rbac = 'rbac.authorization.k8s.io'
const roles = { group: rbac, resource: 'roles' }
const bindings = { group: rbac, resource: 'rolebindings' }
const configMaps = { ref: refs.configMaps, kind: 'ConfigMap', namespaced: true }

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster({
    controllers: () => [
      namespaceHierarchyController,
      resourceQuotaController({ all: () => [configMaps], onChange: () => () => undefined }),
    ],
  })
  await namespace('org')
  await namespace('team', 'org')
  await namespace('ci', 'team')
})
afterEach(() => cluster.stop())

const namespace = (name: string, parent?: string) =>
  cluster.create(refs.namespaces, { metadata: { name, ...(parent ? { labels: { [parentLabel]: parent } } : {}) } })
const role = (inside: string, ...verbs: string[]) => ({
  metadata: { name: 'reader', namespace: inside, labels: { own: 'label' } },
  rules: [{ apiGroups: [''], resources: ['pods'], verbs }],
})
const binding = (inside: string, to: string) => ({
  metadata: { name: 'readers', namespace: inside },
  roleRef: { apiGroup: rbac, kind: 'Role', name: to },
  subjects: [{ kind: 'User', apiGroup: rbac, name: 'jane' }],
})
const verbsIn = (inside: string) => cluster.get<Role>(roles, 'reader', inside)?.rules?.[0]?.verbs

test('what an ancestor has its descendants get, change by change', async () => {
  await cluster.create(roles, role('org', 'get'))
  await cluster.pass()
  expect(cluster.get<Role>(roles, 'reader', 'ci')?.metadata.labels).toEqual({ own: 'label', [inheritedLabel]: 'org' })
  const { rules } = role('org', 'get', 'list')
  await cluster.client.mutate<Role>(roles, 'org', 'reader', (one) => ({ ...one, rules }))
  await cluster.pass()
  expect([verbsIn('team'), verbsIn('ci')]).toEqual([
    ['get', 'list'],
    ['get', 'list'],
  ])
  // The nearest counts, and a namespace's own before all.
  await cluster.client.mutate<Role>(roles, 'team', 'reader', (one) => ({
    ...one,
    metadata: { ...one.metadata, labels: {} },
    rules: role('team', 'watch').rules,
  }))
  await cluster.pass()
  expect([verbsIn('team'), verbsIn('ci')]).toEqual([['watch'], ['watch']])
  await cluster.client.delete(roles, 'team', 'reader')
  await cluster.client.delete(roles, 'org', 'reader')
  await cluster.pass()
  expect(cluster.list(roles)).toEqual([])
  expect(cluster.failures).toEqual([])
})

test('a binding that refers to another role is made anew', async () => {
  await cluster.create(bindings, binding('org', 'reader'))
  await cluster.pass()
  await cluster.client.delete(bindings, 'org', 'readers')
  await cluster.create(bindings, binding('org', 'writer'))
  await cluster.pass()
  expect(cluster.get<RoleBinding>(bindings, 'readers', 'ci')?.roleRef.name).toBe('writer')
})

test("a namespace that moves takes its use along, and leaves its old parent's objects behind", async () => {
  await cluster.create(roles, role('org', 'get'))
  await cluster.create(refs.resourceQuotas, {
    metadata: { name: 'q', namespace: 'org' },
    spec: { hard: { configmaps: '5' } },
  })
  await cluster.create(refs.configMaps, { metadata: { name: 'one', namespace: 'ci' } })
  await cluster.pass()
  const used = () => cluster.get<ResourceQuota>(refs.resourceQuotas, 'q', 'org')?.status?.used?.['configmaps']
  expect(used()).toBe('1')
  await cluster.change<Namespace>(refs.namespaces, 'ci', (one) => void delete one.metadata.labels?.[parentLabel], '')
  await cluster.pass()
  expect([used(), verbsIn('ci'), verbsIn('team')]).toEqual(['0', undefined, ['get']])
})
