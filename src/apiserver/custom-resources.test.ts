import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAdmissionChain } from '../admission/chain.ts'
import type { AdmissionAttributes } from '../admission/plugin.ts'
import { builtinResources } from '../kinds/builtin.ts'
import { loadBuiltinSchemas } from '../schema/graph.ts'
import { startFixture, type Fixture } from './testing/fixture.ts'
import { httpFor } from './testing/http.ts'

let fixture: Fixture
let http: ReturnType<typeof httpFor>
const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const widgets = '/apis/example.com/v1/namespaces/default/widgets'

const schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'integer', minimum: 1 },
        color: { type: 'string', default: 'blue' },
        replicas: { type: 'integer' },
      },
      'x-kubernetes-validations': [{ rule: "self.size < 100 || self.color == 'red'", message: 'large ones are red' }],
    },
    status: { type: 'object', properties: { replicas: { type: 'integer' }, phase: { type: 'string' } } },
  },
}
const version = (name: string, storage: boolean) => ({
  name,
  served: true,
  storage,
  schema: { openAPIV3Schema: schema },
  subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
  additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }],
  selectableFields: [{ jsonPath: '.spec.color' }],
})
const crd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'] },
    versions: [version('v1', true), version('v1beta1', false)],
  },
}
const widget = (name: string, spec: object) => ({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { name },
  spec,
})

/** A webhook that knows a field which the schema does not. */
function addExtra({ object }: AdmissionAttributes): void {
  if (object?.metadata.name === 'a') Object.assign(object['spec' as never], { extra: 'of admission' })
}

beforeAll(async () => {
  const admission = createAdmissionChain([{ name: 'Extra', mutates: addExtra }])
  fixture = await startFixture({ definitions: builtinResources(loadBuiltinSchemas()), registry: { admission } })
  http = httpFor(fixture)
})
afterAll(() => fixture.stop())

test('a CRD is established and served by the time its create is answered', async () => {
  const created = await http('POST', crds, { body: crd })
  expect(created.code).toBe(201)
  const { status, metadata } = created.json()
  expect(status.acceptedNames).toMatchObject({ plural: 'widgets', singular: 'widget', listKind: 'WidgetList' })
  expect(status.conditions.map((one: { type: string; status: string }) => `${one.type}=${one.status}`)).toEqual([
    'NamesAccepted=True',
    'Established=True',
  ])
  expect(metadata.finalizers).toEqual(['customresourcecleanup.apiextensions.k8s.io'])
  expect((await http('GET', widgets)).json()).toMatchObject({ kind: 'WidgetList', items: [] })
  expect((await http('GET', '/apis/example.com/v1')).json().resources.map((one: { name: string }) => one.name)).toEqual(
    ['widgets', 'widgets/status', 'widgets/scale'],
  )
  const { paths } = (await http('GET', '/openapi/v3')).json()
  expect(paths).toHaveProperty(['apis/example.com/v1'])
})

test('objects are defaulted, pruned, checked by schema and by CEL', async () => {
  const created = (await http('POST', widgets, { body: widget('a', { size: 3, extra: 1 }) })).json()
  expect(created.spec).toEqual({ size: 3, color: 'blue' })
  expect(created.metadata.generation).toBe(1)
  const missing = (await http('POST', widgets, { body: widget('b', {}) })).json()
  expect(missing).toMatchObject({ code: 422, details: { causes: [{ field: 'spec.size' }, { field: '<nil>' }] } })
  expect(missing.message).toContain('some validation rules were not checked because the object was invalid')
  const large = (await http('POST', widgets, { body: widget('c', { size: 200 }) })).json()
  expect(large.message).toContain('large ones are red')
})

test('status, scale, columns, field selectors, the other version', async () => {
  const read = (await http('GET', `${widgets}/a`)).json()
  const withStatus = await http('PUT', `${widgets}/a/status`, {
    body: { ...read, spec: { size: 9 }, status: { phase: 'Ready', replicas: 2 } },
  })
  expect(withStatus.json()).toMatchObject({
    spec: { size: 3 },
    status: { phase: 'Ready' },
    metadata: { generation: 1 },
  })
  const merge = { 'content-type': 'application/merge-patch+json' }
  const scaled = await http('PATCH', `${widgets}/a/scale`, { body: { spec: { replicas: 4 } }, headers: merge })
  expect(scaled.json()).toMatchObject({ kind: 'Scale', spec: { replicas: 4 }, status: { replicas: 2 } })
  const table = (
    await http('GET', widgets, { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } })
  ).json()
  expect(table.rows[0].cells).toEqual(['a', 3])
  expect((await http('GET', `${widgets}?fieldSelector=spec.color=blue`)).json().items).toHaveLength(1)
  expect((await http('GET', `${widgets}?fieldSelector=spec.color=red`)).json().items).toHaveLength(0)
  const beta = (await http('GET', `${widgets.replace('/v1/', '/v1beta1/')}/a`)).json()
  expect(beta).toMatchObject({ apiVersion: 'example.com/v1beta1', spec: { size: 3, replicas: 4 } })
})

test('what was written before a default has it all the same, in every way to read it', async () => {
  const merge = { 'content-type': 'application/merge-patch+json' }
  const withDefault = (...defaults: object[]) => ({
    ...crd.spec,
    versions: crd.spec.versions.map((one) => ({
      ...one,
      schema: {
        openAPIV3Schema: {
          ...schema,
          properties: {
            ...schema.properties,
            spec: {
              ...schema.properties.spec,
              properties: Object.assign({}, schema.properties.spec.properties, ...defaults),
            },
          },
        },
      },
    })),
  })
  const patched = await http('PATCH', `${crds}/widgets.example.com`, {
    body: { spec: withDefault({ shape: { type: 'string', default: 'round' } }) },
    headers: merge,
  })
  expect(patched.text).toContain('round')
  const shapes = async (path: string) => {
    const body = (await http('GET', path)).json()
    return (body.items ?? [body]).map((one: { apiVersion: string; spec: { shape?: string } }) => one.spec.shape)
  }
  await expect.poll(() => shapes(`${widgets}/a`)).toEqual(['round'])
  expect(await shapes(widgets)).toEqual(['round'])
  expect(await shapes(widgets.replace('/v1/', '/v1beta1/'))).toEqual(['round'])
  const watch = await http('GET', `${widgets}?watch=true&timeoutSeconds=1`)
  expect(watch.text).toContain('"shape":"round"')
})

test('an integer that no double can hold is kept', async () => {
  const large = { ...widget('large', { size: 50 }), spec: { size: 50, replicas: 9223372036854775807n } }
  const body = JSON.stringify(large)
  expect(body).toContain('"replicas":9223372036854775807')
  expect((await http('POST', widgets, { body })).code).toBe(201)
  expect((await http('GET', `${widgets}/large`)).text).toContain('"replicas":9223372036854775807')
  const conditional = await http('PATCH', `${widgets}/large`, {
    body: { metadata: { labels: { a: 'b' } } },
    headers: { 'content-type': 'application/merge-patch+json' },
  })
  expect(conditional.text).toContain('"replicas":9223372036854775807')
  const yaml = await http('GET', `${widgets}/large`, { headers: { accept: 'application/yaml' } })
  expect(yaml.text).toContain('replicas: 9223372036854775807')
})

test('names that are in use are not accepted', async () => {
  const other = structuredClone(crd)
  other.metadata.name = 'gadgets.example.com'
  other.spec.names = { plural: 'gadgets', kind: 'Widget', shortNames: [] }
  const created = (await http('POST', crds, { body: other })).json()
  expect(created.status.conditions[0]).toMatchObject({ type: 'NamesAccepted', status: 'False', reason: 'Conflict' })
  expect((await http('GET', '/apis/example.com/v1/gadgets')).code).toBe(404)
})

test('a deleted CRD takes its objects along and is served no more', async () => {
  await http('DELETE', `${crds}/widgets.example.com`)
  await expect.poll(async () => (await http('GET', `${crds}/widgets.example.com`)).code).toBe(404)
  expect((await http('GET', widgets)).code).toBe(404)
  expect(fixture.store.count({ group: 'example.com', resource: 'widgets' })).toBe(0)
})
