import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiOf, patchTypes, type Api } from './api.ts'
import { openCluster, type Cluster } from './cluster.ts'
import { deployment } from './manifests.ts'

/** The API's machinery apart from any one kind. */
let cluster: Cluster
let api: Api
const namespace = 'machinery'
const inNamespace = `/api/v1/namespaces/${namespace}`
const configMaps = `${inNamespace}/configmaps`
const configMap = (name: string, extra: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...extra },
  data: { mutation: '0' },
})
const asTable = 'application/json;as=Table;v=v1;g=meta.k8s.io'

beforeAll(async () => {
  cluster = await openCluster()
  api = await apiOf(cluster.kubeconfig)
  await api.ok('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  await api.ok('POST', `${inNamespace}/serviceaccounts`, { metadata: { name: 'default' } }).catch(() => undefined)
})
afterAll(async () => {
  await api.ok('DELETE', `/api/v1/namespaces/${namespace}`)
  api.close()
  await cluster.stop()
})

describe('[sig-api-machinery] watchers', () => {
  test('observe add, update and delete of labelled objects, each its own', async () => {
    const start = (await api.ok('GET', configMaps)).metadata.resourceVersion
    const path = (selector: string) =>
      `${configMaps}?watch=1&resourceVersion=${start}&timeoutSeconds=30&labelSelector=${encodeURIComponent(selector)}`
    const deleted = (count: number) => (event: { type: string }, seen: { type: string }[]) =>
      event.type === 'DELETED' && seen.filter(({ type }) => type === 'DELETED').length === count
    const a = api.watch(path('watch=a'), deleted(1))
    const both = api.watch(path('watch in (a,b)'), deleted(2))
    for (const label of ['a', 'b']) {
      await api.ok('POST', configMaps, configMap(`watched-${label}`, { labels: { watch: label } }))
      await api.ok('PATCH', `${configMaps}/watched-${label}`, { data: { mutation: '1' } }, patchTypes.merge)
      await api.ok('DELETE', `${configMaps}/watched-${label}`)
    }
    const types = (events: { type: string }[]) => events.map(({ type }) => type)
    expect(types(await a)).toEqual(['ADDED', 'MODIFIED', 'DELETED'])
    expect(types(await both)).toEqual(['ADDED', 'MODIFIED', 'DELETED', 'ADDED', 'MODIFIED', 'DELETED'])
  })

  test('start from a given version and go on from the last one seen', async () => {
    const first = await api.ok('POST', configMaps, configMap('restart'))
    await api.ok('PATCH', `${configMaps}/restart`, { data: { mutation: '1' } }, patchTypes.merge)
    const second = await api.ok('PATCH', `${configMaps}/restart`, { data: { mutation: '2' } }, patchTypes.merge)
    await api.ok('DELETE', `${configMaps}/restart`)
    const since = (version: string) =>
      api.watch(
        `${configMaps}?watch=1&fieldSelector=metadata.name=restart&resourceVersion=${version}&timeoutSeconds=30`,
        ({ type }) => type === 'DELETED',
      )
    const all = await since(first.metadata.resourceVersion)
    expect(all.map(({ type }) => type)).toEqual(['MODIFIED', 'MODIFIED', 'DELETED'])
    expect((await since(second.metadata.resourceVersion)).map(({ type }) => type)).toEqual(['DELETED'])
    expect(Number(all[2].object.metadata.resourceVersion)).toBeGreaterThan(Number(second.metadata.resourceVersion))
  })

  test('see an object deleted when it stops to be selected, and added when it is again', async () => {
    const made = await api.ok('POST', configMaps, configMap('moving', { labels: { here: 'yes' } }))
    const seen = api.watch(
      `${configMaps}?watch=1&labelSelector=here=yes&resourceVersion=${made.metadata.resourceVersion}&timeoutSeconds=30`,
      (_event, events) => events.length === 3,
    )
    await api.ok('PATCH', `${configMaps}/moving`, { metadata: { labels: { here: 'no' } } }, patchTypes.merge)
    await api.ok('PATCH', `${configMaps}/moving`, { data: { mutation: '1' } }, patchTypes.merge)
    await api.ok('PATCH', `${configMaps}/moving`, { metadata: { labels: { here: 'yes' } } }, patchTypes.merge)
    await api.ok('DELETE', `${configMaps}/moving`)
    expect((await seen).map(({ type }) => type)).toEqual(['DELETED', 'ADDED', 'DELETED'])
  })

  test('receive events in one order, whoever listens', async () => {
    const start = (await api.ok('GET', configMaps)).metadata.resourceVersion
    const watch = () =>
      api.watch(
        `${configMaps}?watch=1&labelSelector=order=yes&resourceVersion=${start}&timeoutSeconds=30`,
        (_event, seen) => seen.length === 30,
      )
    const watching = Array.from({ length: 5 }, watch)
    await Promise.all(
      Array.from({ length: 10 }, async (_, at) => {
        await api.ok('POST', configMaps, configMap(`order-${at}`, { labels: { order: 'yes' } }))
        await api.ok('PATCH', `${configMaps}/order-${at}`, { data: { mutation: '1' } }, patchTypes.merge)
        await api.ok('DELETE', `${configMaps}/order-${at}`)
      }),
    )
    const orders = (await Promise.all(watching)).map((events) =>
      events.map(({ type, object }) => `${type} ${object.metadata.name} ${object.metadata.resourceVersion}`),
    )
    for (const order of orders) expect(order).toEqual(orders[0])
  })

  test('stream the list first when asked to, and say where it ends', async () => {
    await api.ok('POST', configMaps, configMap('streamed', { labels: { streamed: 'yes' } }))
    const events = await api.watch(
      `${configMaps}?watch=1&labelSelector=streamed=yes&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=30`,
      ({ type }) => type === 'BOOKMARK',
    )
    expect(events.map(({ type }) => type)).toEqual(['ADDED', 'BOOKMARK'])
    expect(events[1].object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' })
    expect(Number(events[1].object.metadata.resourceVersion)).toBeGreaterThan(0)
  })

  test('ask for protobuf first and get what they can read', async () => {
    const accept = 'application/vnd.kubernetes.protobuf,application/json'
    const list = await api('GET', configMaps, { headers: { accept } })
    expect(list.headers['content-type']).toMatch(/^application\/json/)
    const events = await api.watch(`${configMaps}?watch=1&timeoutSeconds=5`, () => true, { accept })
    expect(events[0].type).toBe('ADDED')
    const missing = await api('GET', `${configMaps}/nosuch`, { headers: { accept } })
    expect(missing.body).toMatchObject({ kind: 'Status', code: 404, details: { name: 'nosuch', kind: 'configmaps' } })
  })

  test('take protobuf alone, framed by length', async () => {
    await api.ok('POST', configMaps, configMap('framed', { labels: { framed: 'yes' } }))
    const accept = 'application/vnd.kubernetes.protobuf;stream=watch'
    const answer = await api('GET', `${configMaps}?watch=1&labelSelector=framed=yes&timeoutSeconds=1`, {
      headers: { accept },
    })
    expect(answer.headers['content-type']).toBe(accept)
    const length = answer.bytes.readUInt32BE(0)
    const event = answer.bytes.subarray(4, 4 + length)
    expect(event.length).toBe(length)
    // Field 1, a string: the type; then the object, which bears the magic of its own.
    expect(event.subarray(0, 7).toString()).toBe('\n\u0005ADDED')
    expect(event.includes(Buffer.from('k8s\0'))).toBe(true)
  })

  test('get 410 in the stream for a version that is long gone', async () => {
    const answer = await api('GET', `${configMaps}?watch=1&resourceVersion=65534&timeoutSeconds=5`)
    expect([answer.code, answer.body.type]).toEqual([200, 'ERROR'])
    expect(answer.body.object).toMatchObject({ code: 410, reason: 'Expired' })
  })
})

describe('[sig-api-machinery] chunked lists', () => {
  test('return every object once, at one version, and how many remain', async () => {
    for (let at = 0; at < 17; at++)
      await api.ok('POST', `${inNamespace}/podtemplates`, {
        metadata: { name: `chunk-${String(at).padStart(2, '0')}` },
        template: { spec: { containers: [{ name: 'a', image: 'b' }] } },
      })
    const names: string[] = []
    let version = ''
    let next = ''
    do {
      const page = await api.ok('GET', `${inNamespace}/podtemplates?limit=5${next ? `&continue=${next}` : ''}`)
      names.push(...page.items.map((item: { metadata: { name: string } }) => item.metadata.name))
      version ||= page.metadata.resourceVersion
      expect(page.metadata.resourceVersion).toBe(version)
      if (page.metadata.continue) expect(page.metadata.remainingItemCount).toBe(17 - names.length)
      next = page.metadata.continue ?? ''
    } while (next)
    expect(names).toHaveLength(17)
    expect(new Set(names).size).toBe(17)
  })

  test('say 410 for a token out of its time, with one that goes on', async () => {
    const stale = Buffer.from(JSON.stringify({ v: 'stormo/v1', rv: '65537', after: `${namespace}/chunk-04`, cut: 1 }))
    const answer = await api('GET', `${inNamespace}/podtemplates?limit=5&continue=${stale.toString('base64url')}`)
    expect(answer.body).toMatchObject({ code: 410, reason: 'Expired' })
    const rest = await api.ok('GET', `${inNamespace}/podtemplates?continue=${answer.body.metadata.continue}`)
    expect(rest.items).toHaveLength(12)
  })
})

describe('[sig-api-machinery] servers with support for table transformation', () => {
  test('return pod details, chunks and generic metadata', async () => {
    const table = await api('GET', `${inNamespace}/podtemplates?limit=1`, { headers: { accept: asTable } })
    expect(table.body).toMatchObject({ kind: 'Table', rows: [{ cells: expect.any(Array) }] })
    expect(table.body.metadata.continue).toBeTruthy()
    const one = await api('GET', `${inNamespace}/serviceaccounts/default`, { headers: { accept: asTable } })
    expect(one.body).toMatchObject({ kind: 'Table', rows: [{ object: { kind: 'PartialObjectMetadata' } }] })
  })
  test('answer 406 where nothing has a table', async () => {
    const answer = await api('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
      body: { spec: { resourceAttributes: { namespace, verb: 'list', resource: 'pods' } } },
      headers: { accept: asTable },
    })
    expect(answer.code).toBe(406)
  })
})

describe('[sig-api-machinery] field validation', () => {
  const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`
  test('detects unknown and duplicate fields of a typed object', async () => {
    const body = JSON.stringify(deployment('strict', 1)).replace(
      '"replicas":1',
      '"unknownField":"foo","replicas":2,"replicas":3',
    )
    const answer = await api('POST', `${deployments}?fieldValidation=Strict`, { body })
    expect(answer.code).toBe(400)
    expect(answer.body.message).toContain(
      'strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"',
    )
    const warned = await api('POST', `${deployments}?fieldValidation=Warn&dryRun=All`, { body })
    expect(warned.code).toBe(201)
    expect(String(warned.headers.warning)).toContain('unknown field')
    const ignored = await api('POST', `${deployments}?fieldValidation=Ignore&dryRun=All`, { body })
    expect([ignored.code, ignored.headers.warning]).toEqual([201, undefined])
  })
  test('detects unknown metadata', async () => {
    const body = JSON.stringify(deployment('strict', 1)).replace('"labels"', '"unknownMeta":"foo","labels"')
    const answer = await api('POST', `${deployments}?fieldValidation=Strict`, { body })
    expect(answer.body.message).toContain('strict decoding error: unknown field "metadata.unknownMeta"')
  })
  test('refuses unknown and repeated fields of an applied object', async () => {
    const unknown = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ssa\nnope: 1\n'
    const headers = { 'content-type': patchTypes.apply }
    const path = `${configMaps}/ssa?fieldManager=me&fieldValidation=Strict`
    const refused = await api('PATCH', path, { body: unknown, headers })
    expect(refused.body.message).toContain('.nope: field not declared in schema')
    const twice = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ssa\ndata:\n  foo: a\n  foo: b\n'
    expect((await api('PATCH', path, { body: twice, headers })).body.message).toContain(
      'line 7: key "foo" already set in map',
    )
  })
})

describe('[sig-api-machinery] names that the server makes', () => {
  test('generateName gives each object a name of its own', async () => {
    const made = await Promise.all(
      Array.from({ length: 10 }, () => api.ok('POST', configMaps, { metadata: { generateName: 'generated-' } })),
    )
    const names = new Set(made.map(({ metadata }) => metadata.name as string))
    expect(names.size).toBe(10)
    for (const name of names) expect(name).toMatch(/^generated-[a-z0-9]{5}$/)
  })
})

describe('[sig-api-machinery] deletion', () => {
  test('keeps what has finalizers, with the policy that was asked for', async () => {
    const made = (name: string) => configMap(name, { finalizers: ['example.com/hold'] })
    await api.ok('POST', configMaps, made('foreground'))
    const marked = await api.ok('DELETE', `${configMaps}/foreground`, { propagationPolicy: 'Foreground' })
    expect(marked.metadata.finalizers.toSorted()).toEqual(['example.com/hold', 'foregroundDeletion'])
    expect(marked.metadata.deletionTimestamp).toBeTruthy()
    expect(marked.metadata.deletionGracePeriodSeconds).toBe(0)
    await api.ok('POST', configMaps, made('orphaned'))
    const orphan = await api.ok('DELETE', `${configMaps}/orphaned`, { orphanDependents: true })
    expect(orphan.metadata.finalizers.toSorted()).toEqual(['example.com/hold', 'orphan'])
    const added = await api('PATCH', `${configMaps}/orphaned`, {
      body: { metadata: { finalizers: ['example.com/hold', 'orphan', 'example.com/new'] } },
      headers: { 'content-type': patchTypes.merge },
    })
    expect(added.body).toMatchObject({ code: 422, reason: 'Invalid' })
    for (const name of ['foreground', 'orphaned'])
      await api.ok('PATCH', `${configMaps}/${name}`, { metadata: { finalizers: null } }, patchTypes.merge)
    expect((await api('GET', `${configMaps}/foreground`)).code).toBe(404)
  })
  test('obeys preconditions and refuses two policies at once', async () => {
    await api.ok('POST', configMaps, configMap('conditional'))
    const path = `${configMaps}/conditional`
    const wrong = await api('DELETE', path, { body: { preconditions: { uid: 'another' } } })
    expect(wrong.body).toMatchObject({ code: 409, reason: 'Conflict' })
    const two = await api('DELETE', path, { body: { orphanDependents: true, propagationPolicy: 'Orphan' } })
    expect(two.code).toBe(422)
    await api.ok('DELETE', path)
  })
})

describe('[sig-api-machinery] quotas, limits and admission', () => {
  test('a quota counts, refuses what exceeds it, and shows its use', async () => {
    await api.ok('POST', `${inNamespace}/resourcequotas`, {
      metadata: { name: 'few' },
      spec: { hard: { 'count/leases.coordination.k8s.io': '1' } },
    })
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`
    await api.ok('POST', leases, { metadata: { name: 'one' } })
    const refused = await api('POST', leases, { body: { metadata: { name: 'two' } } })
    expect(refused.body).toMatchObject({ code: 403, reason: 'Forbidden' })
    expect(refused.body.message).toContain('exceeded quota: few')
  })
  test('a limit range fills in and bounds', async () => {
    await api.ok('POST', `${inNamespace}/limitranges`, {
      metadata: { name: 'limits' },
      spec: {
        limits: [
          { type: 'Container', max: { cpu: '500m' }, default: { cpu: '200m' }, defaultRequest: { cpu: '100m' } },
        ],
      },
    })
    const pod = (name: string, resources: object) => ({
      metadata: { name },
      spec: { schedulingGates: [{ name: 'example.com/wait' }], containers: [{ name: 'a', image: 'b', resources }] },
    })
    const made = await api.ok('POST', `${inNamespace}/pods`, pod('filled', {}))
    expect(made.spec.containers[0].resources).toEqual({ limits: { cpu: '200m' }, requests: { cpu: '100m' } })
    const refused = await api('POST', `${inNamespace}/pods`, { body: pod('large', { limits: { cpu: '1' } }) })
    expect(refused.body).toMatchObject({ code: 403, reason: 'Forbidden' })
    await api.ok('DELETE', `${inNamespace}/limitranges/limits`)
  })
})

describe('[sig-network] Services', () => {
  test('dry run takes no address', async () => {
    const service = { metadata: { name: 'dry' }, spec: { type: 'NodePort', ports: [{ port: 80 }] } }
    const made = await api.ok('POST', `${inNamespace}/services?dryRun=All`, service)
    expect(made.metadata.name).toBe('dry')
    expect((await api('GET', `${inNamespace}/services/dry`)).code).toBe(404)
  })
  test('change their type', async () => {
    const path = `${inNamespace}/services/shape`
    await api.ok('POST', `${inNamespace}/services`, {
      metadata: { name: 'shape' },
      spec: { type: 'ExternalName', externalName: 'example.com' },
    })
    const patch = (spec: object) => api.ok('PATCH', path, { spec }, patchTypes.merge)
    const inside = await patch({ type: 'ClusterIP', externalName: null, ports: [{ port: 80 }] })
    expect(inside.spec.clusterIP).toMatch(/^10\./)
    const outside = await patch({ type: 'NodePort' })
    expect(outside.spec.ports[0].nodePort).toBeGreaterThanOrEqual(30_000)
    const back = await patch({ type: 'ClusterIP' })
    expect(back.spec.ports[0].nodePort).toBeUndefined()
    const external = await patch({ type: 'ExternalName', externalName: 'example.org', ports: null })
    expect(external.spec.clusterIP).toBeUndefined()
  })
  test('are deleted as a collection', async () => {
    for (const name of ['many-1', 'many-2'])
      await api.ok('POST', `${inNamespace}/services`, {
        metadata: { name, labels: { many: 'yes' } },
        spec: { ports: [{ port: 80 }] },
      })
    await api.ok('DELETE', `${inNamespace}/services?labelSelector=many=yes`)
    expect((await api.ok('GET', `${inNamespace}/services?labelSelector=many=yes`)).items).toEqual([])
  })
})

describe('[sig-instrumentation] Events', () => {
  test('are selected by what reported them, under the name of either version', async () => {
    const events = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`
    const eventTime = '2017-09-19T13:49:16.000000Z'
    const made = await api.ok('POST', events, {
      metadata: { name: 'selected-event', labels: { 'testevent-constant': 'true' } },
      regarding: { namespace },
      eventTime,
      note: 'This is selected-event',
      action: 'Do',
      reason: 'Test',
      type: 'Normal',
      reportingController: 'test-controller',
      reportingInstance: 'test-node',
    })
    const named = async (query: string) =>
      (await api.ok('GET', query)).items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)
    expect(await named(`${events}?fieldSelector=reportingController=test-controller`)).toEqual(['selected-event'])
    const core = `/api/v1/namespaces/${namespace}/events`
    expect(await named(`${core}?fieldSelector=source=test-controller`)).toEqual(['selected-event'])
    const updated = await api.ok('PUT', `${events}/selected-event`, {
      ...made,
      series: { count: 100, lastObservedTime: eventTime },
    })
    expect({ ...updated, metadata: undefined }).toEqual({
      ...made,
      metadata: undefined,
      series: { count: 100, lastObservedTime: eventTime },
    })
    await api.ok('DELETE', `${events}?labelSelector=testevent-constant=true`)
    expect(await named(`${events}?labelSelector=testevent-constant=true`)).toEqual([])
  })
})

describe('[sig-node] subresources of pods', () => {
  const pods = `${inNamespace}/pods`
  beforeAll(async () => {
    await api.ok('POST', pods, {
      metadata: { name: 'sub', labels: { app: 'sub' } },
      spec: {
        schedulingGates: [{ name: 'example.com/wait' }],
        containers: [{ name: 'a', image: 'b', resources: { requests: { cpu: '10m' } } }],
      },
    })
  })
  test('ephemeralcontainers are added, and never changed', async () => {
    const path = `${pods}/sub/ephemeralcontainers`
    const pod = await api.ok('GET', path)
    const container = { name: 'debug', image: 'busybox' }
    const added = await api.ok('PATCH', path, { spec: { ephemeralContainers: [container] } }, patchTypes.strategic)
    expect(added.spec.ephemeralContainers[0]).toMatchObject({ ...container, terminationMessagePolicy: 'File' })
    const changed = { ...pod, spec: { ...pod.spec, ephemeralContainers: [{ ...container, image: 'other' }] } }
    delete changed.metadata.resourceVersion
    expect((await api('PUT', path, { body: changed })).code).toBe(422)
    const direct = await api('PATCH', `${pods}/sub`, {
      body: { spec: { ephemeralContainers: [{ name: 'x', image: 'y' }] } },
      headers: { 'content-type': patchTypes.strategic },
    })
    expect(direct.code).toBe(422)
  })
  test('resize changes what containers may use', async () => {
    const resources = { requests: { cpu: '20m' } }
    const resized = await api.ok(
      'PATCH',
      `${pods}/sub/resize`,
      { spec: { containers: [{ name: 'a', resources }] } },
      patchTypes.strategic,
    )
    expect(resized.spec.containers[0].resources.requests.cpu).toBe('20m')
    expect(resized.metadata.generation).toBeGreaterThan(1)
  })
  test('eviction is refused by an exhausted budget and deletes otherwise', async () => {
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'sub' } }
    await api.ok('POST', `${pods}/sub/eviction`, { ...eviction, deleteOptions: { dryRun: ['All'] } })
    expect((await api('GET', `${pods}/sub`)).code).toBe(200)
    await api.ok('POST', `${pods}/sub/eviction`, eviction)
    expect((await api('GET', `${pods}/sub`)).code).toBe(404)
  })
})
