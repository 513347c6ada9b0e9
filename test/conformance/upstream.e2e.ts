import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiOf, patchTypes, type Api } from './api.ts'
import { openCluster, type Cluster } from './cluster.ts'

/** Sequences of requests of upstream's newer conformance tests (test/e2e/apimachinery, test/e2e/auth), with what they expect. */
let cluster: Cluster
let api: Api
const namespace = 'upstream'
const core = `/api/v1/namespaces/${namespace}`
const group = 'upstream.example.com'
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const registration = '/apis/admissionregistration.k8s.io'

beforeAll(async () => {
  cluster = await openCluster()
  api = await apiOf(cluster.kubeconfig)
  await api.ok('POST', '/api/v1/namespaces', { metadata: { name: namespace, labels: { upstream: 'true' } } })
  await api.ok('POST', `${core}/serviceaccounts`, { metadata: { name: 'default' } }).catch(() => undefined)
})
afterAll(async () => {
  await api.ok('DELETE', `/api/v1/namespaces/${namespace}`)
  api.close()
  await cluster.stop()
})

/** A definition of cluster-wide objects; `created` waits until they are served. */
function definition(plural: string, schema: object, more: object = {}) {
  const kind = plural.replace(/^./, (first) => first.toUpperCase()).replace(/s$/, '')
  return {
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Cluster',
      names: { plural, singular: plural.replace(/s$/, ''), kind, listKind: `${kind}List` },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, ...more }],
    },
  }
}
async function define(plural: string, schema: object, more: object = {}): Promise<string> {
  await api.ok('POST', definitions, definition(plural, schema, more))
  const path = `/apis/${group}/v1/${plural}`
  await expect.poll(async () => (await api('GET', path)).code, { timeout: 10_000 }).toBe(200)
  return path
}
const undefine = (plural: string) => api.ok('DELETE', `${definitions}/${plural}.${group}`)
const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
const integers = (maxItems: number) => ({ type: 'array', maxItems, items: { type: 'integer' } })

describe('[sig-api-machinery] CustomResourceValidationRules', () => {
  const schema = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        'x-kubernetes-validations': [
          { rule: 'self.x + self.y > 0' },
          {
            rule: 'self.firstArray.isSorted() && self.secondArray.isSorted() && ((self.firstArray.sum() + self.secondArray.sum()) % 2 == 0)',
          },
          { rule: 'self.largeArray.all(x, self.largeArray.all(y, y == x))' },
        ],
        properties: {
          x: { type: 'integer' },
          y: { type: 'integer' },
          firstArray: integers(1000),
          secondArray: integers(1000),
          largeArray: integers(725),
        },
      },
      status: {
        type: 'object',
        'x-kubernetes-validations': [{ rule: "self.health == 'ok' || self.health == 'unhealthy'" }],
        properties: { health: { type: 'string' } },
      },
    },
  }
  test('hold, or fail what breaks them, or what they take too long for', async () => {
    const path = await define('rulers', schema)
    const create = (name: string, spec: object) =>
      api('POST', path, { body: { apiVersion: `${group}/v1`, kind: 'Ruler', metadata: { name }, spec } })
    const good = { x: 1, y: 0, firstArray: [3, 4], secondArray: [5, 10], largeArray: [2, 2] }
    expect((await create('good', good)).code).toBe(201)
    expect((await create('bad', { x: 0, y: 0 })).body.message).toContain('failed rule')
    const long = Array.from({ length: 725 }, () => 20)
    expect((await create('long', { largeArray: long })).body.message).toContain('call cost exceeds limit')
    await undefine('rulers')
  })

  test.each([
    [
      'a field that there is not',
      { spec: { properties: { x: { type: 'integer' } }, rule: 'self.z == 100' } },
      "undefined field 'z'",
    ],
    ['a syntax error', { spec: { rule: 'self = 42' } }, 'Syntax error'],
    [
      'a price that nobody pays',
      {
        spec: {
          properties: {
            x: {
              type: 'array',
              items: {
                type: 'array',
                items: { type: 'string' },
                'x-kubernetes-validations': [{ rule: "self.all(s, s == 'string constant')" }],
              },
            },
          },
        },
      },
      'exceeds budget',
    ],
  ])('are refused for %s', async (_what, { spec }, message) => {
    const { rule, properties } = spec as { rule?: string; properties?: object }
    const body = definition('wrongs', {
      type: 'object',
      properties: {
        spec: {
          type: 'object',
          ...(properties ? { properties } : {}),
          ...(rule ? { 'x-kubernetes-validations': [{ rule }] } : {}),
        },
      },
    })
    expect((await api('POST', definitions, { body })).body.message).toContain(message)
  })
})

describe('[sig-api-machinery] FieldValidation', () => {
  test('duplicates of an applied custom resource are told by their line', async () => {
    const path = await define('doubles', { type: 'object', properties: { spec: open } })
    const yaml = `
apiVersion: ${group}/v1
kind: Double
metadata:
  name: mytest
  finalizers:
  - test-finalizer
spec:
  unknown: uk1
  foo: foo1
  foo: foo2
  cronSpec: "* * * * */5"
  ports:
  - name: x
    containerPort: 80
    protocol: TCP`
    const answer = await api('PATCH', `${path}/mytest?fieldManager=field_validation_mgr&fieldValidation=Strict`, {
      body: yaml,
      headers: { 'content-type': patchTypes.apply },
    })
    expect(answer.bytes.toString()).toContain(String.raw`line 11: key \"foo\" already set in map`)
    await undefine('doubles')
  })
})

describe('[sig-api-machinery] API Streaming (WatchList)', () => {
  const secrets = `${core}/secrets`
  const watch = `${secrets}?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=2`
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io'

  test('is had as a table, the columns of which are told once', async () => {
    const names = ['one', 'two', 'three'].toSorted()
    for (const name of names) await api.ok('POST', secrets, { metadata: { name, labels: { watchlist: 'true' } } })
    const seen = await api.watch(`${watch}&labelSelector=watchlist=true`, ({ type }) => type === 'BOOKMARK', {
      accept: table,
    })
    const single = await Promise.all(
      names.map(async (name) => (await api('GET', `${secrets}/${name}`, { headers: { accept: table } })).body),
    )
    const ageless = ({ rows, ...rest }: { rows: { cells: unknown[] }[] }) => ({
      ...rest,
      rows: rows.map(({ cells, ...row }) => ({ ...row, cells: cells.slice(0, -1) })),
    })
    expect(seen.slice(0, -1).map(({ type, object }) => ({ type, object: ageless(object) }))).toEqual(
      single.map((one, at) => ({
        type: 'ADDED',
        object: ageless(at === 0 ? one : { ...one, columnDefinitions: null }),
      })),
    )
    const [row] = seen.at(-1).object.rows
    expect(row.object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' })
    await api.ok('DELETE', `${secrets}?labelSelector=watchlist=true`)
  })

  test('comes as objects where tables are wanted less', async () => {
    const events = await api.watch(watch, ({ type }) => type === 'BOOKMARK', { accept: `application/json,${table}` })
    expect(events.at(-1).object).toMatchObject({
      kind: 'Secret',
      metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } },
    })
  })
})

describe('[sig-api-machinery] request timeout', () => {
  test.each([
    ['invalid', 400],
    ['3m', 200],
    ['0s', 200],
  ])('%s is %i', async (timeout, code) => {
    const answer = await api('GET', `/version?timeout=${timeout}`)
    expect(answer.code).toBe(code)
    if (code === 400) expect(answer.bytes.toString()).toContain('invalid timeout specified in the request URL')
  })
})

describe('[sig-api-machinery] admission policies', () => {
  const rules = [
    { apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'], operations: ['CREATE', 'UPDATE'] },
  ]
  const matchConstraints = { namespaceSelector: { matchLabels: { upstream: 'true' } }, resourceRules: rules }

  test('type checking tells of an expression and its message', async () => {
    const name = 'confused.upstream.example.com'
    await api.ok('POST', `${registration}/v1/validatingadmissionpolicies`, {
      metadata: { name },
      spec: {
        matchConstraints,
        validations: [
          {
            expression: "object.spec.replicas > '1'",
            messageExpression: "'wants replicas > 1, got ' + object.spec.replicas",
          },
        ],
      },
    })
    const status = async () =>
      (await api.ok('GET', `${registration}/v1/validatingadmissionpolicies/${name}`)).status?.typeChecking
    await expect.poll(status, { timeout: 10_000 }).toBeDefined()
    expect((await status()).expressionWarnings).toEqual([
      {
        fieldRef: 'spec.validations[0].expression',
        warning: expect.stringContaining("found no matching overload for '_>_' applied to '(int, string)'"),
      },
      {
        fieldRef: 'spec.validations[0].messageExpression',
        warning: expect.stringContaining("found no matching overload for '_+_' applied to '(string, int)'"),
      },
    ])
    await api.ok('DELETE', `${registration}/v1/validatingadmissionpolicies/${name}`)
  })

  test.each(['v1alpha1', 'v1beta1', 'v1'])(
    'MutatingAdmissionPolicy of %s is made, watched, patched, updated and deleted',
    async (version) => {
      const label = { 'example-e2e-map-label': version }
      const at = `${registration}/${version}/mutatingadmissionpolicies`
      const selected = `${at}?labelSelector=example-e2e-map-label=${version}`
      const body = {
        apiVersion: `admissionregistration.k8s.io/${version}`,
        kind: 'MutatingAdmissionPolicy',
        metadata: { generateName: 'e2e-example-map-', labels: label, creationTimestamp: null },
        spec: {
          reinvocationPolicy: 'Never',
          matchConstraints: { resourceRules: rules },
          mutations: [
            {
              patchType: 'ApplyConfiguration',
              applyConfiguration: {
                expression:
                  '\n\tObject{\n\t\tmetadata: Object.metadata{\n\t\t\tannotations: {\n\t\t\t\t"my-foo-annotation": "myAnnotationValue"\n\t\t\t}\n\t\t}\n\t}',
              },
            },
          ],
        },
      }
      await api.ok('POST', at, body)
      await api.ok('POST', at, body)
      const { name } = (await api.ok('POST', at, body)).metadata
      const { resourceVersion } = (await api.ok('GET', selected)).metadata
      const patched = await api.ok(
        'PATCH',
        `${at}/${name}`,
        { metadata: { annotations: { patched: 'true' } }, spec: { failurePolicy: 'Ignore' } },
        patchTypes.merge,
      )
      expect(patched).toMatchObject({
        metadata: { annotations: { patched: 'true' } },
        spec: { failurePolicy: 'Ignore' },
      })
      const updated = await api.ok('PUT', `${at}/${name}`, {
        ...patched,
        spec: { ...patched.spec, failurePolicy: 'Fail' },
      })
      expect(updated.spec.failurePolicy).toBe('Fail')
      const events = await api.watch(`${selected}&watch=1&resourceVersion=${resourceVersion}`, () => true)
      expect(events[0]).toMatchObject({ type: 'MODIFIED', object: { metadata: { annotations: { patched: 'true' } } } })
      await api.ok('DELETE', `${at}/${name}`)
      expect((await api('GET', `${at}/${name}`)).code).toBe(404)
      expect((await api.ok('GET', selected)).items).toHaveLength(2)
      await api.ok('DELETE', selected)
      expect((await api.ok('GET', selected)).items).toEqual([])
    },
  )
})

describe('[sig-api-machinery] quotas', () => {
  test('scoped by volume attributes class refuse the second claim', async () => {
    await api.ok('POST', `${core}/resourcequotas`, {
      metadata: { name: 'gold' },
      spec: {
        hard: { 'requests.storage': '5Gi', persistentvolumeclaims: '1' },
        scopeSelector: { matchExpressions: [{ scopeName: 'VolumeAttributesClass', operator: 'In', values: ['gold'] }] },
      },
    })
    const claim = (name: string, volumeAttributesClassName: string) =>
      api('POST', `${core}/persistentvolumeclaims`, {
        body: {
          metadata: { name },
          spec: {
            storageClassName: '',
            volumeAttributesClassName,
            accessModes: ['ReadWriteOnce'],
            resources: { requests: { storage: '1Gi' } },
          },
        },
      })
    expect((await claim('one', 'gold')).code).toBe(201)
    expect((await claim('two', 'gold')).code).toBe(403)
    expect((await claim('three', 'silver')).code).toBe(201)
    await api.ok('DELETE', `${core}/persistentvolumeclaims`)
    await api.ok('DELETE', `${core}/resourcequotas/gold`)
  })
})

describe('[sig-api-machinery] versions of objects', () => {
  test('are numbers that grow with each write', async () => {
    const path = `${core}/configmaps/growing`
    const made = await api.ok('POST', `${core}/configmaps`, { metadata: { name: 'growing' } })
    const patched = await api.ok('PATCH', path, { data: { a: 'b' } }, patchTypes.merge)
    for (const { metadata } of [made, patched]) expect(metadata.resourceVersion).toMatch(/^[1-9]\d*$/)
    expect(BigInt(patched.metadata.resourceVersion)).toBeGreaterThan(BigInt(made.metadata.resourceVersion))
  })
})

describe('[sig-auth] SelfSubjectReview', () => {
  test('tells whom one is taken for', async () => {
    const answer = await api('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      headers: {
        'impersonate-user': 'jane-doe',
        'impersonate-uid': 'uniq-id',
        'impersonate-group': 'system:authenticated, developers',
        'impersonate-extra-known-languages': 'python',
      },
    })
    expect(answer.code).toBe(201)
    expect(answer.body.metadata.creationTimestamp).toMatch(/Z$/)
    expect(answer.body.status.userInfo).toMatchObject({
      username: 'jane-doe',
      uid: 'uniq-id',
      extra: { 'known-languages': ['python'] },
    })
  })
})
