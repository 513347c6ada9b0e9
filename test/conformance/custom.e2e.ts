import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiOf, patchTypes, type Api } from './api.ts'
import { openCluster, type Cluster } from './cluster.ts'

/** Kinds that users bring along. */
let cluster: Cluster
let api: Api
const namespace = 'custom'
const group = 'conformance.example.com'
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const widgets = `/apis/${group}/v1/namespaces/${namespace}/widgets`

const spec = {
  type: 'object',
  properties: {
    size: { type: 'integer', default: 3, maximum: 10 },
    color: { type: 'string' },
    replicas: { type: 'integer' },
    ports: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['port'],
      items: {
        type: 'object',
        required: ['port'],
        properties: { port: { type: 'integer' }, name: { type: 'string' } },
      },
    },
  },
  'x-kubernetes-validations': [{ rule: "self.size < 9 || self.color == 'red'", message: 'large ones are red' }],
}
const version = (name: string, storage: boolean, schema: object = spec) => ({
  name,
  served: true,
  storage,
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: {
        spec: schema,
        status: { type: 'object', properties: { replicas: { type: 'integer' }, phase: { type: 'string' } } },
      },
    },
  },
  subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
  selectableFields: [{ jsonPath: '.spec.color' }],
  additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }],
})
const definition = (plural: string, kind: string, versions: object[]) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${group}` },
  spec: { group, scope: 'Namespaced', names: { plural, kind }, versions },
})
const widget = (name: string, of: object = {}) => ({
  apiVersion: `${group}/v1`,
  kind: 'Widget',
  metadata: { name },
  spec: of,
})

beforeAll(async () => {
  cluster = await openCluster()
  api = await apiOf(cluster.kubeconfig)
  await api.ok('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
  await api.ok('POST', definitions, definition('widgets', 'Widget', [version('v1', true), version('v1beta1', false)]))
  await api.ok('GET', widgets)
})
afterAll(async () => {
  await api.ok('DELETE', `${definitions}/widgets.${group}`)
  await api.ok('DELETE', `/api/v1/namespaces/${namespace}`)
  api.close()
  await cluster.stop()
})

describe('[sig-api-machinery] custom resources', () => {
  test('definitions are made, listed, patched, read by their status, and deleted', async () => {
    const path = `${definitions}/gadgets.${group}`
    await api.ok('POST', definitions, definition('gadgets', 'Gadget', [version('v1', true)]))
    const { items } = await api.ok('GET', definitions)
    expect(items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)).toContain(`gadgets.${group}`)
    const { status } = await api.ok('GET', `${path}/status`)
    expect(status).toMatchObject({ acceptedNames: { kind: 'Gadget', listKind: 'GadgetList' }, storedVersions: ['v1'] })
    expect(status.conditions).toContainEqual(expect.objectContaining({ type: 'Established', status: 'True' }))
    const condition = { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Set by a test' }
    const patched = await api.ok(
      'PATCH',
      `${path}/status`,
      { status: { conditions: [...status.conditions, condition] } },
      patchTypes.merge,
    )
    expect(patched.status.conditions).toContainEqual(expect.objectContaining({ type: 'StatusUpdate' }))
    await api.ok('DELETE', path)
    await expect.poll(async () => (await api('GET', path)).code, { timeout: 10_000 }).toBe(404)
    expect((await api('GET', `/apis/${group}/v1/gadgets`)).code).toBe(404)
  })

  test('get defaults when they are written and when they are read', async () => {
    expect((await api.ok('POST', widgets, widget('defaulted'))).spec.size).toBe(3)
    expect((await api.ok('GET', `${widgets}/defaulted`)).spec.size).toBe(3)
    const refused = await api('POST', widgets, { body: widget('huge', { size: 11 }) })
    expect(refused.body).toMatchObject({ code: 422, reason: 'Invalid' })
    const rule = await api('POST', widgets, { body: widget('large', { size: 9, color: 'blue' }) })
    expect(rule.body.message).toContain('large ones are red')
  })

  test('field validation of what a schema does not know', async () => {
    const unknown = { ...widget('unknown', { size: 1 }), metadata: { name: 'unknown', finalizers: ['test-finalizer'] } }
    const strict = await api('POST', `${widgets}?fieldValidation=Strict`, { body: { ...unknown, spec: { nope: 1 } } })
    expect(strict.body.message).toContain('unknown field "spec.nope"')
    const applied = await api('PATCH', `${widgets}/unknown?fieldManager=me&fieldValidation=Strict`, {
      body: { ...unknown, unknownField: 'x' },
      headers: { 'content-type': patchTypes.apply },
    })
    expect(applied.body.message).toContain('.unknownField: field not declared in schema')
    const meta = { ...unknown, metadata: { ...unknown.metadata, unknownMeta: 'x' } }
    const wrong = await api('PATCH', `${widgets}/unknown?fieldManager=me`, {
      body: meta,
      headers: { 'content-type': patchTypes.apply },
    })
    expect(wrong.body.message).toContain('.metadata.unknownMeta: field not declared in schema')
    const fine = await api.ok(
      'PATCH',
      `${widgets}/unknown?fieldManager=me&fieldValidation=Strict`,
      unknown,
      patchTypes.apply,
    )
    expect(fine.metadata.finalizers).toEqual(['test-finalizer'])
    await api.ok('PATCH', `${widgets}/unknown`, { metadata: { finalizers: null } }, patchTypes.merge)
  })

  test('duplicates are found even where unknown fields are kept', async () => {
    const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
    await api.ok(
      'POST',
      definitions,
      definition('opens', 'Open', [{ ...version('v1', true, open), selectableFields: [] }]),
    )
    const path = `/apis/${group}/v1/namespaces/${namespace}/opens`
    await expect.poll(async () => (await api('GET', path)).code, { timeout: 10_000 }).toBe(200)
    const body = `apiVersion: ${group}/v1\nkind: Open\nmetadata:\n  name: twice\nspec:\n  foo: a\n  foo: b\n`
    const headers = { 'content-type': patchTypes.apply }
    const answer = await api('PATCH', `${path}/twice?fieldManager=me&fieldValidation=Strict`, { body, headers })
    expect(answer.body.message).toContain('line 7: key "foo" already set in map')
    const kept = await api.ok('POST', path, { metadata: { name: 'kept' }, spec: { any: { thing: [1] } } })
    expect(kept.spec).toEqual({ any: { thing: [1] } })
    await api.ok('DELETE', `${definitions}/opens.${group}`)
  })

  test('are served in all their versions', async () => {
    await api.ok('POST', widgets, widget('versioned', { color: 'green' }))
    const older = await api.ok('GET', widgets.replace('/v1/', '/v1beta1/') + '/versioned')
    expect(older).toMatchObject({ apiVersion: `${group}/v1beta1`, spec: { color: 'green' } })
  })

  test('appear in discovery and OpenAPI', async () => {
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
    const { body } = await api('GET', '/apis', { headers: { accept } })
    const found = body.items.find((item: { metadata: { name: string } }) => item.metadata.name === group)
    expect(found.versions.map((one: { version: string }) => one.version)).toEqual(['v1', 'v1beta1'])
    const { paths } = await api.ok('GET', '/openapi/v3')
    const document = await api.ok('GET', paths[`apis/${group}/v1`].serverRelativeURL)
    expect(JSON.stringify(document.components.schemas)).toContain('"Widget"')
    const table = await api('GET', widgets, { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } })
    expect(table.body.columnDefinitions.map(({ name }: { name: string }) => name)).toEqual(['Name', 'Size'])
  })

  test('have selectable fields', async () => {
    await api.ok('POST', widgets, widget('purple', { color: 'purple' }))
    const { items } = await api.ok('GET', `${widgets}?fieldSelector=spec.color=purple`)
    expect(items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)).toEqual(['purple'])
    expect((await api('GET', `${widgets}?fieldSelector=spec.size=3`)).code).toBe(400)
  })

  test('are watched', async () => {
    const { metadata } = await api.ok('GET', widgets)
    const watching = api.watch(
      `${widgets}?watch=1&resourceVersion=${metadata.resourceVersion}&timeoutSeconds=30`,
      ({ type }) => type === 'DELETED',
    )
    await api.ok('POST', widgets, widget('seen'))
    await api.ok('PATCH', `${widgets}/seen`, { spec: { color: 'grey' } }, patchTypes.merge)
    await api.ok('DELETE', `${widgets}/seen`)
    expect((await watching).map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED', 'DELETED'])
  })

  test('scale and have a status of their own', async () => {
    await api.ok('POST', widgets, widget('scaled', { replicas: 1 }))
    const scale = await api.ok('GET', `${widgets}/scaled/scale`)
    expect(scale).toMatchObject({ kind: 'Scale', spec: { replicas: 1 } })
    await api.ok('PATCH', `${widgets}/scaled/scale`, { spec: { replicas: 4 } }, patchTypes.merge)
    const status = await api.ok(
      'PATCH',
      `${widgets}/scaled/status`,
      { spec: { replicas: 9 }, status: { phase: 'Up' } },
      patchTypes.merge,
    )
    expect(status).toMatchObject({ spec: { replicas: 4 }, status: { phase: 'Up' } })
  })

  test('a policy validates them', async () => {
    const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies'
    await api.ok('POST', policies, {
      metadata: { name: 'no-black' },
      spec: {
        matchConstraints: {
          resourceRules: [{ apiGroups: [group], apiVersions: ['*'], operations: ['CREATE'], resources: ['widgets'] }],
        },
        validations: [
          { expression: "!has(object.spec.color) || object.spec.color != 'black'", message: 'no black ones' },
        ],
      },
    })
    await api.ok('POST', `${policies.replace('policies', 'policybindings')}`, {
      metadata: { name: 'no-black' },
      spec: { policyName: 'no-black', validationActions: ['Deny'] },
    })
    await expect
      .poll(
        async () =>
          (await api('POST', `${widgets}?dryRun=All`, { body: widget('ink', { color: 'black' }) })).body.message,
        {
          timeout: 10_000,
        },
      )
      .toContain('no black ones')
    await api.ok('POST', widgets, widget('chalk', { color: 'white' }))
    await api.ok('DELETE', `${policies}/no-black`)
    await api.ok('DELETE', `${policies.replace('policies', 'policybindings')}/no-black`)
  })

  test('a policy that cannot be meant is told so, one that does not compile is refused', async () => {
    const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies'
    const policy = (expression: string) => ({
      metadata: { name: 'typed' },
      spec: {
        matchConstraints: {
          resourceRules: [{ apiGroups: ['apps'], apiVersions: ['v1'], operations: ['*'], resources: ['deployments'] }],
        },
        validations: [{ expression }],
      },
    })
    const broken = await api('POST', policies, { body: policy('object.spec.replicas >') })
    expect([broken.code, broken.body.message]).toEqual([422, expect.stringContaining('compilation failed')])
    const made = await api.ok('POST', policies, policy("object.spec.replicas > '1'"))
    expect(made.status.typeChecking.expressionWarnings).toMatchObject([
      {
        fieldRef: 'spec.validations[0].expression',
        warning: expect.stringContaining("found no matching overload for '_>_' applied to '(int, string)'"),
      },
    ])
    await api.ok('DELETE', `${policies}/typed`)
  })

  test('a mutating policy changes them', async () => {
    const policies = '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies'
    const bindings = policies.replace('policies', 'policybindings')
    await api.ok('POST', policies, {
      metadata: { name: 'paint' },
      spec: {
        matchConstraints: {
          resourceRules: [{ apiGroups: [group], apiVersions: ['*'], operations: ['CREATE'], resources: ['widgets'] }],
        },
        matchConditions: [{ name: 'unpainted', expression: '!has(object.spec.color)' }],
        reinvocationPolicy: 'Never',
        mutations: [
          {
            patchType: 'ApplyConfiguration',
            applyConfiguration: { expression: 'Object{spec: Object.spec{color: "green"}}' },
          },
        ],
      },
    })
    await api.ok('POST', bindings, { metadata: { name: 'paint' }, spec: { policyName: 'paint' } })
    await expect
      .poll(async () => (await api('POST', `${widgets}?dryRun=All`, { body: widget('grey') })).body.spec?.color, {
        timeout: 10_000,
      })
      .toBe('green')
    const kept = await api('POST', `${widgets}?dryRun=All`, { body: widget('own', { color: 'blue' }) })
    expect(kept.body.spec.color).toBe('blue')
    await api.ok('DELETE', `${bindings}/paint`)
    await api.ok('DELETE', `${policies}/paint`)
  })
})
