import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiOf, patchTypes, type Api } from './api.ts'
import { openCluster, type Cluster } from './cluster.ts'

/** Objects that were valid before their definition grew stricter (KEP-4008). */
let cluster: Cluster
let api: Api
const group = 'ratcheting.example.com'
const definition = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.${group}`
const thing = `/apis/${group}/v1/namespaces/default/things/thing`
const sentinel = '__update_schema_sentinel_field__'

const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
/** A field at the root, in an object, in a list with keys and in a map, each of the same schema. */
function everywhere(field: object, bounds: { items?: object; map?: object } = {}): object {
  const other = { type: 'string' }
  const holder = { type: 'object', properties: { field, otherField: other } }
  return {
    field,
    otherField: other,
    struct: holder,
    list: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['key'],
      ...bounds.items,
      items: {
        type: 'object',
        required: ['key'],
        properties: { key: { type: 'string' }, ...holder.properties },
      },
    },
    map: { type: 'object', ...bounds.map, additionalProperties: holder },
  }
}
const bounded = (rule: object) =>
  everywhere(
    { type: 'string', maxLength: 5, 'x-kubernetes-validations': [rule] },
    { items: { maxItems: 5 }, map: { maxProperties: 5 } },
  )
const filled = (field: string, more: object = {}) => ({
  field,
  ...more,
  struct: { field, ...more },
  list: ['foo', 'bar'].map((key) => ({ key, field, ...more })),
  map: { foo: { field, ...more }, bar: { field, ...more } },
})
const places = ['field', 'struct.field', 'list[0].field', 'list[1].field']
const inMap = ['map.foo.field', 'map.bar.field']
const inMapByRule = ['map[foo].field', 'map[bar].field']

async function define(properties: object | undefined): Promise<void> {
  const schema = properties ? { type: 'object', properties } : open
  const versions = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }]
  await api.ok('PATCH', definition, { spec: { versions } }, patchTypes.merge)
}

let schemas = 0
/** A stricter schema, and the wait until the server goes by it: an enum that only it has is spoken of in its errors. */
async function tighten(properties: object): Promise<void> {
  const only = `schema-${schemas++}`
  await define({ ...properties, [sentinel]: { type: 'string', enum: [only] } })
  const body = {
    // Faults of the metadata do not hide those of the rest.
    metadata: { finalizers: ['unqualified-finalizer'], labels: { '#inv/($%)/alid=': '>htt$://' } },
    [sentinel]: 'another',
  }
  await expect.poll(() => apply(body, 'sentinel'), { timeout: 10_000 }).toContain(only)
}

/** The message of the answer, '' when it is a success. */
async function apply(body: Readonly<Record<string, unknown>> & { metadata?: object }, name = 'thing'): Promise<string> {
  const { code, body: answer } = await api('PATCH', `${thing.replace(/thing$/, name)}?fieldManager=manager`, {
    body: {
      apiVersion: `${group}/v1`,
      kind: 'Thing',
      ...body,
      metadata: { name, namespace: 'default', ...body.metadata },
    },
    headers: { 'content-type': patchTypes.apply },
  })
  return code < 300 ? '' : String(answer.message)
}
const labelled = { metadata: { labels: { foo: 'bar' } } }

beforeAll(async () => {
  cluster = await openCluster()
  api = await apiOf(cluster.kubeconfig)
  await api.ok('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: { name: `things.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: open } }],
    },
  })
})
afterAll(async () => {
  await api.ok('DELETE', definition)
  api.close()
  await cluster.stop()
})

/** An open schema, and no object. */
async function fresh(): Promise<void> {
  await api('DELETE', thing)
  await define(undefined)
  const probe = thing.replace(/thing$/, 'probe')
  await expect.poll(() => apply({ any: 1 }, 'probe'), { timeout: 10_000 }).toBe('')
  await api.ok('DELETE', probe)
}

describe('[sig-api-machinery] ratcheting of custom resources', () => {
  test('unchanged fields that a stricter schema refuses do not stop an update', async () => {
    await fresh()
    expect(await apply(filled('foo'))).toBe('')
    await tighten(everywhere({ type: 'string', enum: ['notfoo'] }))
    expect(await apply({ ...filled('foo'), ...labelled })).toBe('')
  })

  test('items of lists without keys are judged anew when their list changes', async () => {
    await fresh()
    const lists = (...items: string[]) => ({ setArray: items, atomicArray: items })
    const array = (item: object) => ({ type: 'array', items: { type: 'string', ...item } })
    const both = (item: object) => ({
      atomicArray: array(item),
      setArray: { ...array(item), 'x-kubernetes-list-type': 'set' },
    })
    expect(await apply(lists('foo', 'bar', 'baz'))).toBe('')
    await tighten(both({ enum: ['notfoo', 'notbar', 'notbaz'] }))
    const refused = await apply({ ...lists('foo', 'bar', 'baz', 'notfoo'), ...labelled })
    for (const name of ['atomicArray', 'setArray']) expect(refused).toContain(name)
    await tighten(both({ 'x-kubernetes-validations': [{ rule: 'self != "foo"' }] }))
    const byRule = await apply({ ...lists('foo', 'bar', 'baz', 'notfoo'), ...labelled })
    for (const name of ['atomicArray', 'setArray']) expect(byRule).toContain(name)
  })

  test('changed fields are refused, each by its place', async () => {
    await fresh()
    expect(await apply(filled('foo'))).toBe('')
    await tighten(everywhere({ type: 'string', enum: ['foo'] }))
    const bySchema = await apply(filled('notfoo'))
    for (const place of [...places, ...inMap]) expect(bySchema).toContain(place)
    await tighten(everywhere({ type: 'string', 'x-kubernetes-validations': [{ rule: 'self == "foo"' }] }))
    const byRule = await apply(filled('notfoo'))
    for (const place of [...places, ...inMapByRule]) expect(byRule).toContain(place)
  })

  test('unchanged fields that break a rule do not stop an update of others', async () => {
    await fresh()
    expect(await apply(filled('notfoo'))).toBe('')
    await tighten(everywhere({ type: 'string', 'x-kubernetes-validations': [{ rule: 'self == "foo"' }] }))
    const more = filled('notfoo', { otherField: 'any' })
    more.list.push({ key: 'baz', field: 'foo', otherField: 'any' } as (typeof more.list)[number])
    expect(await apply(more)).toBe('')
    more.list.push({ key: 'new', field: 'notfoo' } as (typeof more.list)[number])
    expect(await apply(more)).toContain('list[3].field')
  })

  test('rules of the change itself hold for what did not change', async () => {
    await fresh()
    expect(await apply(filled('foo'))).toBe('')
    await tighten(bounded({ rule: 'self != oldSelf' }))
    const refused = await apply({ ...filled('foo'), ...labelled })
    for (const place of [...places, ...inMapByRule]) expect(refused).toContain(place)
  })

  test('a rule may ask whether there was an old value', async () => {
    await fresh()
    await tighten(bounded({ rule: '!oldSelf.hasValue() || self != oldSelf.value()', optionalOldSelf: true }))
    expect(await apply(filled('foo'))).toBe('')
    const refused = await apply({ ...filled('foo'), ...labelled })
    for (const place of [...places, ...inMapByRule]) expect(refused).toContain(place)
    expect(await apply(filled('new'))).toBe('')
  })
})
