import { once } from 'node:events'
import { connect } from 'node:http2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { builtinResources } from '../kinds/builtin.ts'
import type { KubeObject } from '../api/object.ts'
import { loadBuiltinSchemas } from '../schema/graph.ts'
import { startFixture, type Fixture } from './testing/fixture.ts'
import { httpFor } from './testing/http.ts'

let fixture: Fixture
let http: ReturnType<typeof httpFor>
const configMaps = '/api/v1/namespaces/default/configmaps'
const configMap = (name: string, extra: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  ...extra,
})

beforeAll(async () => {
  fixture = await startFixture({ definitions: builtinResources(loadBuiltinSchemas()) })
  http = httpFor(fixture)
})
afterAll(() => fixture.stop())

describe('access', () => {
  test('strangers get 401, but for health and version', async () => {
    expect((await http('GET', configMaps, { anonymous: true })).code).toBe(401)
    expect((await http('GET', '/apis', { anonymous: true })).code).toBe(401)
    expect((await http('GET', '/livez', { anonymous: true })).text).toBe('ok')
    expect((await http('GET', '/version', { anonymous: true })).json()).toMatchObject({ major: '1', minor: '36' })
  })
  test('answers to paths of every kind name the flow schema and the level that let them in', async () => {
    for (const path of ['/version', '/healthz', '/api']) {
      expect((await http('GET', path)).headers).toMatchObject({
        'x-kubernetes-pf-flowschema-uid': expect.any(String),
        'x-kubernetes-pf-prioritylevel-uid': expect.any(String),
      })
    }
  })
  test('every answer has an audit id, a given one is kept', async () => {
    expect((await http('GET', '/version')).headers['audit-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect((await http('GET', '/version', { headers: { 'audit-id': 'mine-1' } })).headers['audit-id']).toBe('mine-1')
  })
})

describe('shapes of refusal', () => {
  test.each([
    ['GET', '/api/v1/namespaces/default/nosuches', 404, 'NotFound'],
    ['GET', '/apis/nosuch.io/v1/things', 404, 'NotFound'],
    ['GET', '/nosuch', 404, 'NotFound'],
    ['GET', '/version?timeout=soon', 400, 'BadRequest'],
    ['GET', `${configMaps}/nosuch`, 404, 'NotFound'],
    ['POST', '/api/v1/configmaps', 405, 'MethodNotAllowed'],
    ['GET', '/api/v1/configmaps/a', 404, 'NotFound'],
    ['PUT', '/api/v1/configmaps/a', 404, 'NotFound'],
    ['DELETE', '/api/v1/configmaps/a', 404, 'NotFound'],
    ['OPTIONS', configMaps, 405, 'MethodNotAllowed'],
    ['GET', `${configMaps}?labelSelector=a=(`, 400, 'BadRequest'],
    ['GET', `${configMaps}?fieldSelector=data.x=1`, 400, 'BadRequest'],
    ['GET', `${configMaps}?limit=x`, 400, 'BadRequest'],
    ['GET', `${configMaps}?continue=garbage`, 400, 'BadRequest'],
    ['GET', `${configMaps}?watch=1&sendInitialEvents=true`, 422, 'Invalid'],
  ])('%s %s → %i', async (method, path, code, reason) => {
    const answer = await http(method, path)
    expect(answer.code).toBe(code)
    expect(answer.json()).toMatchObject({ kind: 'Status', status: 'Failure', reason, code })
  })
  test('a watch from a version that is too old is told so in the stream', async () => {
    const answer = await http('GET', `${configMaps}?watch=1&resourceVersion=65538`)
    expect(answer.code).toBe(200)
    expect(answer.json()).toMatchObject({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } })
  })
  test('bodies past 3 MB are refused, and so are formats that nobody reads', async () => {
    expect((await http('POST', configMaps, { body: 'x'.repeat(3 * 1024 * 1024 + 1) })).code).toBe(413)
    expect((await http('POST', configMaps, { body: 'x', headers: { 'content-type': 'text/csv' } })).code).toBe(415)
    expect((await http('GET', configMaps, { headers: { accept: 'text/html' } })).code).toBe(406)
    // What client-go falls back from when CBOR is not there.
    for (const [method, path, type] of [
      ['POST', configMaps, 'application/cbor'],
      ['PATCH', `${configMaps}/a?fieldManager=me`, 'application/apply-patch+cbor'],
    ] as const)
      expect((await http(method, path, { body: 'x', headers: { 'content-type': type } })).code).toBe(415)
  })
})

test('storage version hashes are those of kube-apiserver', async () => {
  const { resources } = (await http('GET', '/api/v1')).json() as { resources: Record<string, string>[] }
  expect(resources.find(({ name }) => name === 'pods')?.storageVersionHash).toBe('xPOwRZ+Yhw8=')
})

describe('reading and writing', () => {
  test('create, conflict, get, update with a precondition, delete', async () => {
    const created = await http('POST', configMaps, { body: configMap('a', { data: { x: '1' } }) })
    expect(created.code).toBe(201)
    expect(created.json().metadata).toMatchObject({
      namespace: 'default',
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    expect((await http('POST', configMaps, { body: configMap('a') })).json()).toMatchObject({
      code: 409,
      reason: 'AlreadyExists',
    })
    const read = (await http('GET', `${configMaps}/a`)).json()
    const updated = await http('PUT', `${configMaps}/a`, { body: { ...read, data: { x: '2' } } })
    expect(updated.json().data).toEqual({ x: '2' })
    const stale = await http('PUT', `${configMaps}/a`, { body: { ...read, data: { x: '3' } } })
    expect(stale.json()).toMatchObject({ code: 409, reason: 'Conflict' })
    const wrongUid = await http('DELETE', `${configMaps}/a`, { body: { preconditions: { uid: 'other' } } })
    expect(wrongUid.code).toBe(409)
    expect((await http('DELETE', `${configMaps}/a`)).json()).toMatchObject({
      status: 'Success',
      details: { name: 'a', kind: 'configmaps' },
    })
    expect((await http('GET', `${configMaps}/a`)).code).toBe(404)
  })
  test('YAML bodies, YAML answers', async () => {
    const body = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml}\ndata: {a: "1"}\n'
    const created = await http('POST', configMaps, {
      body,
      headers: { 'content-type': 'application/yaml', accept: 'application/yaml' },
    })
    expect(created.code).toBe(201)
    expect(created.text).toContain('name: yaml')
  })
  test('unknown and duplicate fields: refused, warned of, ignored', async () => {
    const body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"strict"},"dta":{},"data":{"a":"1","a":"2"}}'
    const refused = await http('POST', `${configMaps}?fieldValidation=Strict`, { body })
    expect(refused.json()).toMatchObject({ code: 400, message: expect.stringContaining('unknown field "dta"') })
    expect(refused.json().message).toContain('duplicate field "data.a"')
    const warned = await http('POST', configMaps, { body })
    expect(warned.code).toBe(201)
    expect(warned.headers['warning']).toContain('unknown field')
    await http('DELETE', `${configMaps}/strict`)
    expect((await http('POST', `${configMaps}?fieldValidation=Ignore`, { body })).headers['warning']).toBeUndefined()
  })
  test('dry run writes nothing', async () => {
    expect((await http('POST', `${configMaps}?dryRun=All`, { body: configMap('ghost') })).code).toBe(201)
    expect((await http('GET', `${configMaps}/ghost`)).code).toBe(404)
    expect((await http('POST', `${configMaps}?dryRun=Some`, { body: configMap('ghost') })).code).toBe(422)
  })
  test('answers past 128 KB are packed for who asks', async () => {
    await http('POST', configMaps, { body: configMap('large', { data: { text: 'x'.repeat(200_000) } }) })
    expect((await http('GET', `${configMaps}/large`)).headers['content-encoding']).toBeUndefined()
    expect(
      (await http('GET', `${configMaps}/large`, { headers: { 'accept-encoding': 'gzip' } })).headers[
        'content-encoding'
      ],
    ).toBe('gzip')
  })
})

describe('lists', () => {
  const pages = '/api/v1/namespaces/paged/configmaps'
  beforeAll(async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await http('POST', pages, { body: configMap(name) })
  })
  test('pages are a cut of the moment of the first one', async () => {
    const first = (await http('GET', `${pages}?limit=2`)).json()
    expect(first.metadata.remainingItemCount).toBe(3)
    await http('POST', pages, { body: configMap('bb') })
    const second = (await http('GET', `${pages}?limit=2&continue=${first.metadata.continue}`)).json()
    const third = (await http('GET', `${pages}?limit=2&continue=${second.metadata.continue}`)).json()
    const names = [first, second, third].flatMap((page) =>
      page.items.map((item: { metadata: { name: string } }) => item.metadata.name),
    )
    expect(names).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(third.metadata.continue).toBeUndefined()
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion)
  })
  test('Table and PartialObjectMetadata', async () => {
    const table = (
      await http('GET', pages, { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' } })
    ).json()
    expect(table).toMatchObject({ kind: 'Table', apiVersion: 'meta.k8s.io/v1' })
    expect(table.columnDefinitions[0]).toMatchObject({ name: 'Name', type: 'string', format: 'name' })
    expect(table.rows[0].object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'a' } })
    const partial = (
      await http('GET', `${pages}/a`, {
        headers: { accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' },
      })
    ).json()
    expect(Object.keys(partial).toSorted()).toEqual(['apiVersion', 'kind', 'metadata'])
  })
})

describe('watches', () => {
  const events = async (path: string) =>
    (await http('GET', path)).text
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { type: string; object: KubeObject })

  test('a label selector turns changes into ADDED and DELETED', async () => {
    const path = '/api/v1/namespaces/watched/configmaps'
    const watching = events(
      `${path}?watch=1&labelSelector=on=yes&timeoutSeconds=2&resourceVersion=${fixture.store.currentVersion()}`,
    )
    await http('POST', path, { body: configMap('w') })
    const patch = (labels: object) =>
      http('PATCH', `${path}/w`, {
        body: { metadata: { labels } },
        headers: { 'content-type': 'application/merge-patch+json' },
      })
    await patch({ on: 'yes' })
    await patch({ other: 'x' })
    await patch({ on: null })
    const seen = await watching
    expect(seen.map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED', 'DELETED'])
    expect(seen[2]?.object.metadata.labels).toEqual({ on: 'yes', other: 'x' })
    expect(BigInt(seen[2]?.object.metadata.resourceVersion ?? 0)).toBeGreaterThan(
      BigInt(seen[1]?.object.metadata.resourceVersion ?? 0),
    )
  })
  test('sendInitialEvents lists, then says so with a bookmark', async () => {
    const seen = await events(
      '/api/v1/namespaces/paged/configmaps?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1',
    )
    expect(seen.map(({ type }) => type)).toEqual([...Array.from({ length: 6 }, () => 'ADDED'), 'BOOKMARK'])
    expect(seen.at(-1)?.object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' })
  })
})

describe('discovery and documents', () => {
  test('aggregated discovery answers 304 to its own tag', async () => {
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
    const first = await http('GET', '/apis', { headers: { accept } })
    expect(first.headers['content-type']).toBe(accept.replace('application/json;', 'application/json;'))
    expect(first.json().items[0].versions[0]).toHaveProperty('freshness', 'Current')
    const again = await http('GET', '/apis', { headers: { accept, 'if-none-match': String(first.headers['etag']) } })
    expect(again.code).toBe(304)
    expect(again.headers['content-type']).toBeUndefined()
  })
  test('plain discovery', async () => {
    expect((await http('GET', '/api')).json()).toMatchObject({ kind: 'APIVersions', versions: ['v1'] })
    expect((await http('GET', '/apis/apps')).json()).toMatchObject({
      kind: 'APIGroup',
      preferredVersion: { version: 'v1' },
    })
    const { resources } = (await http('GET', '/apis/apps/v1')).json()
    expect(resources.map(({ name }: { name: string }) => name)).toContain('deployments/scale')
  })
  test('every OpenAPI document has the hash that the index says', async () => {
    const { paths } = (await http('GET', '/openapi/v3')).json()
    const { serverRelativeURL } = paths['apis/apps/v1']
    const document = await http('GET', serverRelativeURL)
    expect(document.headers['cache-control']).toBe('public, immutable')
    expect(document.json().components.schemas).toHaveProperty(['io.k8s.api.apps.v1.Deployment'])
    expect((await http('GET', '/openapi/v3/apis/apps/v1?hash=OLD')).code).toBe(301)
  })
  test('metrics count by resource, never by path', async () => {
    await http('GET', '/made/up/path')
    const { text } = await http('GET', '/metrics')
    expect(text).toMatch(
      /apiserver_request_total\{verb="GET",group="",version="v1",resource="configmaps",code="404"\} \d+/,
    )
    expect(text).not.toContain('made')
  })
})

describe('HTTP/2 and stopping', () => {
  test('one session carries many requests; a stop ends its watches and takes no more', async () => {
    const own = await startFixture({ definitions: builtinResources(loadBuiltinSchemas()) })
    const session = connect(own.url, { ca: own.tls.ca })
    session.on('error', () => undefined)
    const get = (path: string) => session.request({ ':path': path, authorization: `Bearer ${own.token}` })
    const codes = await Promise.all(
      [configMaps, '/apis', '/api/v1/nodes'].map(async (path) => {
        const [headers] = (await once(get(path).resume(), 'response')) as [Record<string, number>]
        return headers[':status']
      }),
    )
    expect(codes).toEqual([200, 200, 200])
    const watch = get(`${configMaps}?watch=1`).resume()
    await once(watch, 'response')
    const ended = once(watch, 'end')
    await own.stop()
    await ended
    await expect(httpFor(own)('GET', '/livez')).rejects.toThrow('ECONNREFUSED')
    session.destroy()
  })
})
