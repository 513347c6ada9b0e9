import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiOf, patchTypes, type Api } from './api.ts'
import { openCluster, type Cluster } from './cluster.ts'

/** What the server says of itself. */
let cluster: Cluster
let api: Api

beforeAll(async () => {
  cluster = await openCluster()
  api = await apiOf(cluster.kubeconfig)
})
afterAll(async () => {
  api.close()
  await cluster.stop()
})

interface Group {
  name: string
  versions: { groupVersion: string; version: string }[]
  preferredVersion: { groupVersion: string; version: string }
}

describe('[sig-api-machinery] Discovery', () => {
  test('names a preferred version of each group, one that it serves', async () => {
    const { groups } = (await api.ok('GET', '/apis')) as { groups: Group[] }
    expect(groups.length).toBeGreaterThan(15)
    for (const group of groups) {
      expect(group.versions).toContainEqual(group.preferredVersion)
      const document = await api.ok('GET', `/apis/${group.name}`)
      expect(document).toMatchObject({ kind: 'APIGroup', name: group.name, preferredVersion: group.preferredVersion })
    }
  })

  test('has documents of every group and version', async () => {
    const { groups } = (await api.ok('GET', '/apis')) as { groups: Group[] }
    const paths = [
      '/api/v1',
      ...groups.flatMap(({ versions }) => versions.map(({ groupVersion }) => `/apis/${groupVersion}`)),
    ]
    for (const path of paths) {
      const list = await api.ok('GET', path)
      expect(list.kind).toBe('APIResourceList')
      expect(list.resources.length).toBeGreaterThan(0)
      for (const resource of list.resources) expect(resource.verbs).toBeInstanceOf(Array)
    }
    const { resources } = await api.ok('GET', '/api/v1')
    const names = resources.map(({ name }: { name: string }) => name)
    for (const name of ['pods/exec', 'pods/status', 'serviceaccounts/token', 'namespaces/finalize', 'nodes/proxy'])
      expect(names).toContain(name)
  })

  test('is aggregated for those who ask, with a tag that saves the second answer', async () => {
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
    const first = await api('GET', '/apis', { headers: { accept } })
    expect(first.body).toMatchObject({ kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2' })
    const again = await api('GET', '/apis', { headers: { accept, 'if-none-match': String(first.headers.etag) } })
    expect(again.code).toBe(304)
    const core = await api('GET', '/api', { headers: { accept } })
    expect(core.body.items[0].versions[0].resources.length).toBeGreaterThan(15)
  })

  test('gives OpenAPI v2 and v3', async () => {
    const index = await api.ok('GET', '/openapi/v3')
    const { serverRelativeURL } = index.paths['apis/apps/v1']
    const apps = await api.ok('GET', serverRelativeURL)
    expect(apps.components.schemas['io.k8s.api.apps.v1.Deployment']['x-kubernetes-group-version-kind']).toEqual([
      { group: 'apps', kind: 'Deployment', version: 'v1' },
    ])
    const swagger = await api.ok('GET', '/openapi/v2')
    expect(swagger).toMatchObject({ swagger: '2.0', info: { title: expect.any(String) } })
    expect(Object.keys(swagger.definitions).length).toBeGreaterThan(500)
  })

  test('tells the version and its health', async () => {
    expect(await api.ok('GET', '/version')).toMatchObject({ major: '1', gitVersion: expect.stringMatching(/^v1\./) })
    for (const path of ['/healthz', '/livez', '/readyz', '/livez/ping'])
      expect((await api('GET', path)).bytes.toString()).toBe('ok')
    expect((await api('GET', '/readyz?verbose')).bytes.toString()).toContain('[+]ping ok')
    expect((await api('GET', '/metrics')).bytes.toString()).toContain('apiserver_request_total')
  })
})

describe('[sig-api-machinery] namespaces', () => {
  test('are patched, updated, read by their status, and finalized', async () => {
    const path = '/api/v1/namespaces/of-its-own'
    const made = await api.ok('POST', '/api/v1/namespaces', { metadata: { name: 'of-its-own' } })
    expect(made).toMatchObject({
      metadata: { labels: { 'kubernetes.io/metadata.name': 'of-its-own' } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    })
    const patched = await api.ok('PATCH', path, { metadata: { labels: { a: 'b' } } }, patchTypes.strategic)
    expect(patched.metadata.labels.a).toBe('b')
    const condition = { type: 'StatusPatch', status: 'True', reason: 'E2E', message: 'Patched by a test' }
    const status = await api.ok('PATCH', `${path}/status`, { status: { conditions: [condition] } }, patchTypes.merge)
    expect(status.status.conditions).toMatchObject([condition])
    const finalized = await api.ok('PUT', `${path}/finalize`, {
      metadata: { name: 'of-its-own' },
      spec: { finalizers: ['kubernetes', 'example.com/hold'] },
    })
    expect(finalized.spec.finalizers).toContain('example.com/hold')
    await api.ok('PUT', `${path}/finalize`, { metadata: { name: 'of-its-own' }, spec: { finalizers: ['kubernetes'] } })
    const terminating = await api.ok('DELETE', path)
    expect(terminating.status.phase).toBe('Terminating')
    expect((await api('DELETE', '/api/v1/namespaces/kube-system')).code).toBe(403)
  })
})

test('[sig-network] IPAddress operations', async () => {
  const path = '/apis/networking.k8s.io/v1/ipaddresses'
  const body = {
    metadata: { name: '10.96.200.200' },
    spec: { parentRef: { resource: 'services', name: 'x', namespace: 'default' } },
  }
  await api.ok('POST', path, body)
  const patched = await api.ok('PATCH', `${path}/10.96.200.200`, { metadata: { labels: { a: 'b' } } }, patchTypes.merge)
  expect(patched.metadata.labels).toEqual({ a: 'b' })
  expect((await api('POST', path, { body: { ...body, metadata: { name: '010.1.1.1' } } })).code).toBe(422)
  await api.ok('DELETE', `${path}/10.96.200.200`)
})
