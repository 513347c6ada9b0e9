import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { createAuthorization } from '../auth/authorizer.ts'
import { anonymous } from '../auth/user.ts'
import { fakeInformers } from '../client/fake-informers.ts'
import { clusterInfoAccess, clusterInfoKubeconfig } from './cluster-info.ts'

test('names a server and its authority to those who know nothing yet, and another only when that one is gone', () => {
  const first = clusterInfoKubeconfig('PEM', ['https://a:6443', 'https://b:6443'])
  expect(parse(first!)).toMatchObject({
    kind: 'Config',
    clusters: [{ name: '', cluster: { server: 'https://a:6443', 'certificate-authority-data': btoa('PEM') } }],
  })
  const second = clusterInfoKubeconfig('PEM', ['https://b:6443'], first)
  expect(second).toContain('https://b:6443')
  expect(clusterInfoKubeconfig('PEM', ['https://a:6443', 'https://b:6443'], second)).toBe(second)
  expect(clusterInfoKubeconfig('OTHER', ['https://b:6443'], second)).toContain(btoa('OTHER'))
  expect(clusterInfoKubeconfig('PEM', [], second)).toBeUndefined()
})

test('strangers may read it, and nothing beside it', () => {
  const informers = fakeInformers()
  const group = 'rbac.authorization.k8s.io'
  for (const object of clusterInfoAccess())
    informers.put({ group, resource: object.kind === 'Role' ? 'roles' : 'rolebindings' }, object)
  const { authorize } = createAuthorization(informers)
  const verdict = (name: string, verb = 'get', namespace = 'kube-public') =>
    authorize({ user: anonymous, verb, group: '', version: 'v1', resource: 'configmaps', namespace, name }).verdict
  expect(verdict('cluster-info')).toBe('allow')
  expect([
    verdict('another'),
    verdict('cluster-info', 'list'),
    verdict('cluster-info', 'get', 'default'),
  ]).not.toContain('allow')
})
