import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiOf, patchTypes, type Api } from './api.ts'
import { openCluster, type Cluster } from './cluster.ts'
import { deployment } from './manifests.ts'

/** Who owns which field (KEP-555). */
let cluster: Cluster
let api: Api
const namespace = 'applying'
const core = `/api/v1/namespaces/${namespace}`
const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`

beforeAll(async () => {
  cluster = await openCluster()
  api = await apiOf(cluster.kubeconfig)
  await api.ok('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
  await api.ok('POST', `${core}/serviceaccounts`, { metadata: { name: 'default' } }).catch(() => undefined)
})
afterAll(async () => {
  await api.ok('DELETE', `/api/v1/namespaces/${namespace}`)
  api.close()
  await cluster.stop()
})

const apply = (path: string, fieldManager: string, body: object, query = '') =>
  api('PATCH', `${path}?fieldManager=${fieldManager}${query}`, {
    body,
    headers: { 'content-type': patchTypes.apply },
  })

/** A deployment with more in its spec, and in that of its pods. */
function applied(name: string, spec: object = {}, podSpec: object = {}): object {
  const made = deployment(name, 1) as { spec: { replicas?: number; template: { spec: object } } }
  const { replicas: _, ...rest } = made.spec
  const template = { ...rest.template, spec: { ...rest.template.spec, ...podSpec } }
  return { ...made, spec: { ...rest, ...spec, template } }
}

describe('[sig-api-machinery] ServerSideApply', () => {
  test.each([
    [
      'pods',
      { kind: 'Pod', spec: { containers: [{ name: 'test-container', image: 'test-image' }] } },
      { 'f:spec': { 'f:containers': { 'k:{"name":"test-container"}': { '.': {}, 'f:image': {}, 'f:name': {} } } } },
    ],
    [
      'services',
      { kind: 'Service', spec: { ports: [{ port: 8080, protocol: 'UDP' }] } },
      { 'f:spec': { 'f:ports': { 'k:{"port":8080,"protocol":"UDP"}': { '.': {}, 'f:port': {}, 'f:protocol': {} } } } },
    ],
  ])(
    'creates %s that do not exist yet, and two managers who say the same own the same',
    async (plural, body, fields) => {
      const object = { apiVersion: 'v1', metadata: { name: 'test' }, ...body }
      expect((await apply(`${core}/${plural}/test`, 'one', object)).code).toBe(201)
      const { metadata } = (await apply(`${core}/${plural}/test`, 'two', object)).body
      const of = (manager: string) =>
        metadata.managedFields.find((entry: { manager: string }) => entry.manager === manager)
      expect([of('one').fieldsV1, of('two').fieldsV1]).toEqual([fields, fields])
    },
  )

  test('changes a status by its own path only', async () => {
    const condition = { type: 'MyStatus', status: 'True' }
    const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'test' }, status: { conditions: [condition] } }
    expect((await apply(`${core}/pods/test`, 'three', body)).code).toBe(200)
    const types = async () =>
      ((await api.ok('GET', `${core}/pods/test`)).status.conditions ?? []).map(({ type }: { type: string }) => type)
    expect(await types()).not.toContain('MyStatus')
    expect((await apply(`${core}/pods/test/status`, 'three', body)).code).toBe(200)
    expect(await types()).toContain('MyStatus')
  })

  test('removes what its manager leaves out, unless another manager has it too', async () => {
    const whole = applied('shared', { replicas: 3 }, { hostname: 'test-hostname' })
    await apply(`${deployments}/shared`, 'one', whole)
    await apply(`${deployments}/shared`, 'two', whole)
    const kept = (await apply(`${deployments}/shared`, 'one', applied('shared'))).body
    expect(kept.spec).toMatchObject({ replicas: 3, template: { spec: { hostname: 'test-hostname' } } })
    const gone = (await apply(`${deployments}/shared`, 'two', applied('shared'))).body
    expect([gone.spec.replicas, gone.spec.template.spec.hostname]).toEqual([1, undefined])
  })

  test('forgets no manager, however many write at the same time', async () => {
    const managers = Array.from({ length: 8 }, (_, at) => `manager-${at}`)
    const path = `${core}/configmaps/busy`
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'busy' }, data: { all: 'same' } }
    await apply(path, 'first', body)
    await Promise.all(managers.map((manager) => apply(path, manager, body)))
    const { metadata } = await api.ok('GET', path)
    const known = metadata.managedFields.map(({ manager }: { manager: string }) => manager)
    expect(known.toSorted()).toEqual(['first', ...managers])
    // And the object can be written on condition all the same.
    const current = await api.ok('GET', path)
    expect((await api('PUT', path, { body: { ...current, data: { all: 'other' } } })).code).toBe(200)
  })

  test('names conflicts, and is stronger when it is forced', async () => {
    await apply(`${deployments}/forced`, 'one', applied('forced', { replicas: 3 }))
    await api.ok('PATCH', `${deployments}/forced`, { spec: { replicas: 5 } }, patchTypes.merge)
    const refused = await apply(`${deployments}/forced`, 'one', applied('forced', { replicas: 3 }))
    expect(refused.body).toMatchObject({
      code: 409,
      reason: 'Conflict',
      details: { causes: [{ field: '.spec.replicas' }] },
    })
    const forced = await apply(`${deployments}/forced`, 'one', applied('forced', { replicas: 3 }), '&force=true')
    expect(forced.body.spec.replicas).toBe(3)
  })
})
