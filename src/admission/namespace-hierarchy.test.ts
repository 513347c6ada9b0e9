import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Namespace } from '../api/kinds.ts'
import { ancestorsOf, descendantsOf, inheritedLabel, parentLabel } from '../api/namespace-tree.ts'
import type { KubeObject } from '../api/object.ts'
import { refs } from '../client/client.ts'
import { fakeInformers } from '../client/fake-informers.ts'
import { systemClock } from '../lib/system.ts'
import { namespaceHierarchy } from './namespace-hierarchy.ts'
import type { AdmissionAttributes, AdmissionOperation } from './plugin.ts'
import { resourceQuota } from './quota/resource-quota.ts'

const namespace = (name: string, parent?: string): Namespace & KubeObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, ...(parent ? { labels: { [parentLabel]: parent } } : {}) },
})
const attributes = (
  operation: AdmissionOperation,
  ref: { group: string; resource: string },
  objects: { object?: KubeObject; oldObject?: KubeObject },
  username = 'jane',
): AdmissionAttributes => ({
  operation,
  ref: { ...ref, version: 'v1', kind: 'X' },
  subresource: '',
  namespace: (objects.object ?? objects.oldObject)?.metadata.namespace ?? '',
  name: (objects.object ?? objects.oldObject)?.metadata.name ?? '',
  ...objects,
  user: { username },
  dryRun: false,
  options: {},
  warnings: [],
  auditAnnotations: {},
})

describe('the tree of namespaces', () => {
  const informers = fakeInformers()
  for (const one of [namespace('org'), namespace('team', 'org'), namespace('ci', 'team')])
    informers.put(refs.namespaces, one)
  const plugin = namespaceHierarchy(informers.for<Namespace>(refs.namespaces))
  const judge = (operation: AdmissionOperation, objects: { object?: KubeObject; oldObject?: KubeObject }) => () =>
    plugin.validates?.(attributes(operation, refs.namespaces, objects))

  test('grows where its parents are', () => {
    expect(judge('CREATE', { object: namespace('new', 'ci') })).not.toThrow()
    expect(judge('CREATE', { object: namespace('new', 'nosuch') })).toThrow('namespace "nosuch" does not exist')
  })
  test('refuses to bite its tail', () => {
    const move = (name: string, parent: string) =>
      judge('UPDATE', { object: namespace(name, parent), oldObject: namespace(name) })
    expect(move('org', 'ci')).toThrow('a namespace cannot be its own ancestor: org → ci → team → org')
    expect(move('org', 'org')).toThrow('its own ancestor')
    expect(move('ci', 'org')).not.toThrow()
  })
  test('a parent stays as long as its children', () => {
    expect(judge('DELETE', { oldObject: namespace('org') })).toThrow('it is the parent of team: delete them first')
    expect(judge('DELETE', { oldObject: namespace('ci') })).not.toThrow()
  })
  test('copies are changed where they come from', () => {
    const roles = { group: 'rbac.authorization.k8s.io', resource: 'roles' }
    const copy = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'r', namespace: 'team', labels: { [inheritedLabel]: 'org' } },
    }
    const run = (operation: AdmissionOperation, objects: object, user?: string) => () =>
      plugin.validates?.(attributes(operation, roles, objects, user))
    expect(run('DELETE', { oldObject: copy })).toThrow(
      'it is inherited from namespace org, and can only be deleted there',
    )
    expect(run('UPDATE', { oldObject: copy, object: { ...copy, rules: [] } })).toThrow('can only be changed there')
    const own = { ...copy, metadata: { name: 'r', namespace: 'team' } }
    expect(run('UPDATE', { oldObject: copy, object: own })).not.toThrow()
    expect(run('CREATE', { object: copy })).toThrow('is set by the cluster alone')
    expect(run('DELETE', { oldObject: copy }, 'system:apiserver')).not.toThrow()
  })
})

test("a parent's quota bounds the whole subtree", () => {
  const informers = fakeInformers()
  for (const one of [namespace('org'), namespace('a', 'org'), namespace('b', 'org'), namespace('other')])
    informers.put(refs.namespaces, one)
  informers.put(refs.resourceQuotas, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'bound', namespace: 'org' },
    spec: { hard: { configmaps: '2' } },
  } as KubeObject)
  const plugin = resourceQuota({ informers, clock: systemClock })
  const create = (name: string, inside: string) => () => {
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: inside } }
    void plugin.validates?.(attributes('CREATE', refs.configMaps, { object }))
  }
  expect(create('one', 'a')).not.toThrow()
  expect(create('two', 'b')).not.toThrow()
  expect(create('three', 'a')).toThrow(
    'exceeded quota: bound, requested: configmaps=1, used: configmaps=2, limited: configmaps=2',
  )
  expect(create('four', 'org')).toThrow('exceeded quota')
  expect(create('five', 'other')).not.toThrow()
})

test('walks end whatever the labels say, and up is the reverse of down', () => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const labels = fc.array(fc.option(fc.constantFrom(...names), { nil: undefined }), { minLength: 5, maxLength: 5 })
  fc.assert(
    fc.property(labels, (parents) => {
      const all = names.map((name, at) => namespace(name, parents[at]))
      const get = (name: string) => all.find(({ metadata }) => metadata.name === name)
      for (const name of names) {
        for (const below of descendantsOf(name, all)) expect(ancestorsOf(below, get)).toContain(name)
        for (const above of ancestorsOf(name, get)) expect(descendantsOf(above, all)).toContain(name)
      }
    }),
  )
})
