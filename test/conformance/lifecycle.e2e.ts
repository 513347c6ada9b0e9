import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiOf, patchTypes, type Api } from './api.ts'
import { openCluster, type Cluster } from './cluster.ts'
import { apiVersionOfCase, collectionPath, resourceCases } from './resources.ts'

/** Every operation on every kind, as the conformance list asks for them kind by kind. */
let cluster: Cluster
let api: Api
const namespace = 'lifecycle'

beforeAll(async () => {
  cluster = await openCluster()
  api = await apiOf(cluster.kubeconfig)
  await api.ok('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  await api
    .ok('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: 'default' } })
    .catch(() => undefined)
})
afterAll(async () => {
  await api.ok('DELETE', `/api/v1/namespaces/${namespace}`)
  api.close()
  await cluster.stop()
})

describe.each(resourceCases)('[$area] $path', (one) => {
  const collection = collectionPath(one, namespace)
  const name = `lifecycle-${one.kind.toLowerCase()}`
  const label = `test-kind=${one.kind}`
  const make = (suffix = '') => ({
    apiVersion: apiVersionOfCase(one),
    kind: one.kind,
    metadata: { name: name + suffix, labels: { 'test-kind': one.kind } },
    ...structuredClone(one.body),
  })

  test('create, get, list in the namespace and everywhere', async () => {
    const created = await api.ok('POST', collection, make())
    expect(created).toMatchObject({ kind: one.kind, metadata: { name } })
    expect(created.metadata.uid).toMatch(/^[0-9a-f-]{36}$/)
    const got = await api.ok('GET', `${collection}/${name}`)
    expect(got.metadata.uid).toBe(created.metadata.uid)
    const list = await api.ok('GET', `${collection}?labelSelector=${label}`)
    expect(list).toMatchObject({ kind: `${one.kind}List`, items: [{ metadata: { name } }] })
    const everywhere = await api.ok(
      'GET',
      `${collection.replace(`/namespaces/${namespace}`, '')}?labelSelector=${label}`,
    )
    expect(everywhere.items).toHaveLength(1)
    expect((await api('POST', collection, { body: make() })).body).toMatchObject({ code: 409, reason: 'AlreadyExists' })
  })

  test('patch, update and their watch events', async () => {
    const { metadata } = await api.ok('GET', `${collection}?labelSelector=${label}`)
    const watching = api.watch(
      `${collection}?watch=1&resourceVersion=${metadata.resourceVersion}&labelSelector=${label}&timeoutSeconds=30`,
      ({ type, object }) => type === 'MODIFIED' && object.metadata.annotations?.updated === 'true',
    )
    const patch = { metadata: { annotations: { patched: 'true' } } }
    const patched = await api.ok('PATCH', `${collection}/${name}`, patch, patchTypes.merge)
    expect(patched.metadata.annotations).toMatchObject({ patched: 'true' })
    const strategic = await api.ok(
      'PATCH',
      `${collection}/${name}`,
      { metadata: { labels: { strategic: 'yes' } } },
      patchTypes.strategic,
    )
    expect(strategic.metadata.labels).toMatchObject({ strategic: 'yes', 'test-kind': one.kind })
    const current = await api.ok('GET', `${collection}/${name}`)
    current.metadata.annotations.updated = 'true'
    const updated = await api.ok('PUT', `${collection}/${name}`, current)
    expect(updated.metadata.annotations).toMatchObject({ patched: 'true', updated: 'true' })
    expect((await watching).length).toBeGreaterThanOrEqual(1)
  })

  test('server-side apply owns what it says', async () => {
    const applied = {
      apiVersion: apiVersionOfCase(one),
      kind: one.kind,
      metadata: { name, labels: { applied: 'yes' } },
    }
    const answer = await api.ok(
      'PATCH',
      `${collection}/${name}?fieldManager=applier&force=true`,
      { ...applied, ...(one.kind === 'Node' ? {} : {}) },
      patchTypes.apply,
    )
    expect(answer.metadata.labels.applied).toBe('yes')
    expect(answer.metadata.managedFields).toContainEqual(
      expect.objectContaining({ manager: 'applier', operation: 'Apply', fieldsType: 'FieldsV1' }),
    )
  })

  if (one.status) {
    test('status is read, patched and updated by its own path', async () => {
      const path = `${collection}/${name}/status`
      expect((await api.ok('GET', path)).metadata.name).toBe(name)
      const patch = { metadata: { annotations: { patchedstatus: 'true' } }, status: one.status }
      const patched = await api.ok('PATCH', path, patch, patchTypes.merge)
      expect(patched.status).toMatchObject(expectedOf(one.status ?? {}))
      const current = await api.ok('GET', path)
      // A controller may write in between.
      delete current.metadata.resourceVersion
      current.status = { ...current.status, ...one.status }
      const updated = await api.ok('PUT', path, current)
      expect(updated.status).toMatchObject(expectedOf(one.status ?? {}))
      // Where controllers run they put right what a test made up.
      if (process.env['STORMO_KUBECONFIG']) return
      const before = await api.ok('GET', `${collection}/${name}`)
      const { status: _status, ...rest } = before
      // What a write of the resource says of the status is not listened to.
      delete rest.metadata.resourceVersion
      const after = await api.ok('PUT', `${collection}/${name}`, { ...rest, status: {} })
      expect(after.status).toMatchObject(expectedOf(one.status ?? {}))
    })
  }

  test('dry run changes nothing', async () => {
    const ghost = await api.ok('POST', `${collection}?dryRun=All`, make('-ghost'))
    expect(ghost.metadata.uid).toBeTruthy()
    expect((await api('GET', `${collection}/${name}-ghost`)).code).toBe(404)
    await api.ok('DELETE', `${collection}/${name}?dryRun=All`)
    expect((await api('GET', `${collection}/${name}`)).code).toBe(200)
  })

  test('a table for printers and metadata alone', async () => {
    const table = await api('GET', `${collection}?labelSelector=${label}`, {
      headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' },
    })
    expect(table.body).toMatchObject({ kind: 'Table', apiVersion: 'meta.k8s.io/v1' })
    expect(table.body.rows[0].cells).toHaveLength(table.body.columnDefinitions.length)
    const partial = await api('GET', `${collection}?labelSelector=${label}`, {
      headers: { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' },
    })
    expect(partial.body).toMatchObject({ kind: 'PartialObjectMetadataList', items: [{ metadata: { name } }] })
    expect(Object.keys(partial.body.items[0]).toSorted()).toEqual(['apiVersion', 'kind', 'metadata'])
  })

  test('protobuf in both directions, told by the Accept header', async () => {
    const protobuf = 'application/vnd.kubernetes.protobuf'
    const answer = await api('GET', `${collection}/${name}`, { headers: { accept: protobuf } })
    expect(answer.headers['content-type']).toBe(protobuf)
    expect(answer.bytes.subarray(0, 4)).toEqual(Buffer.from([0x6b, 0x38, 0x73, 0]))
    const written = await api('PUT', `${collection}/${name}`, {
      body: answer.bytes,
      headers: { 'content-type': protobuf, accept: `${protobuf},application/json` },
    })
    expect([written.code, written.body?.kind === 'Status' ? written.body.message : '']).toEqual([200, ''])
    expect(written.headers['content-type']).toMatch(/^application\/(json|vnd.kubernetes.protobuf)/)
  })

  test('delete by name, then by collection', async () => {
    await api.ok('POST', collection, make('-2'))
    const { metadata } = await api.ok('GET', `${collection}?labelSelector=${label}`)
    const gone = api.watch(
      `${collection}?watch=1&resourceVersion=${metadata.resourceVersion}&labelSelector=${label}&timeoutSeconds=30`,
      ({ type }, seen) => type === 'DELETED' && seen.filter((event) => event.type === 'DELETED').length === 2,
    )
    await api.ok('DELETE', `${collection}/${name}`, { gracePeriodSeconds: 0, propagationPolicy: 'Background' })
    const list = await api.ok(
      'DELETE',
      `${collection}?labelSelector=${label}&gracePeriodSeconds=0&propagationPolicy=Background`,
    )
    expect(list.kind).toMatch(/List$|^Status$/)
    if (one.kind !== 'PersistentVolumeClaim' && one.kind !== 'PersistentVolume') await gone
    else gone.catch(() => undefined)
  })
})

/** Controllers add conditions of their own beside those of the test. */
function expectedOf(status: object): object {
  const { conditions } = status as { conditions?: object[] }
  return conditions
    ? { ...status, conditions: expect.arrayContaining(conditions.map((one) => expect.objectContaining(one))) }
    : status
}
