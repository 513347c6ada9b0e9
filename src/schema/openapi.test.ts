import { Reader } from 'protobufjs/minimal.js'
import { describe, expect, it } from 'vitest'
import { loadBuiltinSchemas } from './graph.ts'
import type { OpenApiResource } from './openapi.ts'
import { createOpenApiPublisher } from './openapi-publisher.ts'
import { schemaFromOpenApi } from './structural.ts'

const graph = loadBuiltinSchemas()
const metadata = graph.get('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta')!

const builtin: OpenApiResource[] = graph.resources.flatMap((resource) => {
  const schema = graph.byKind(resource.group, resource.version, resource.kind)
  const subresources = Object.entries(resource.subresources).map(([name, { kind, verbs }]) => {
    return { name, verbs, group: kind[0], version: kind[1], kind: kind[2] }
  })
  return schema ? [{ ...resource, schema, listKind: `${resource.kind}List`, subresources }] : []
})
const custom: OpenApiResource = {
  group: 'stable.example.com',
  version: 'v1',
  resource: 'crontabs',
  kind: 'CronTab',
  listKind: 'CronTabList',
  namespaced: true,
  verbs: ['get', 'list', 'create', 'patch', 'delete'],
  schema: schemaFromOpenApi({ type: 'object', properties: { spec: { type: 'object', nullable: true } } }, metadata),
  subresources: [],
}
const digest = (text: string) => `${text.length}`
const snapshot = () => createOpenApiPublisher(graph, digest).snapshot(1, () => [...builtin, custom])
const document = (path: string) => JSON.parse(snapshot().v3(path)!.json)

describe('OpenAPI v3', () => {
  it('points to every group and version by hash', () => {
    const { paths } = JSON.parse(snapshot().indexJson())
    expect(paths['apis/apps/v1'].serverRelativeURL).toBe(
      `/openapi/v3/apis/apps/v1?hash=${snapshot().v3('apis/apps/v1')!.hash}`,
    )
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining(['api/v1', 'apis/batch/v1', 'apis/stable.example.com/v1']),
    )
  })

  it('says which parameters a write takes, and how its lists merge', () => {
    const apps = document('apis/apps/v1')
    const { patch } = apps.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']
    expect(patch['x-kubernetes-group-version-kind']).toEqual({ group: 'apps', version: 'v1', kind: 'Deployment' })
    expect(patch.parameters.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['dryRun', 'fieldManager', 'fieldValidation', 'force']),
    )
    const { containers } = apps.components.schemas['io.k8s.api.core.v1.PodSpec'].properties
    expect(containers).toMatchObject({
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      'x-kubernetes-patch-merge-key': 'name',
      'x-kubernetes-patch-strategy': 'merge',
    })
  })

  it('has no reference that leads nowhere', () => {
    for (const path of ['api/v1', 'apis/apps/v1', 'apis/apiextensions.k8s.io/v1', 'apis/stable.example.com/v1']) {
      const text = snapshot().v3(path)!.json
      const { schemas } = JSON.parse(text).components
      const targets = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name!)
      expect(targets.filter((name) => !(name in schemas))).toEqual([])
    }
  })

  it('publishes custom resources under their reversed group', () => {
    const { components } = document('apis/stable.example.com/v1')
    expect(components.schemas['com.example.stable.v1.CronTab']).toMatchObject({
      properties: { spec: { type: 'object', nullable: true }, kind: { type: 'string' } },
      'x-kubernetes-group-version-kind': [{ group: 'stable.example.com', version: 'v1', kind: 'CronTab' }],
    })
    expect(components.schemas).toHaveProperty(['com.example.stable.v1.CronTabList'])
  })

  it('is the same text whatever the order of resources, and is made once a version', () => {
    const publisher = createOpenApiPublisher(graph, digest)
    const first = publisher.snapshot(1, () => [...builtin, custom])
    expect(publisher.snapshot(1, () => [])).toBe(first)
    const again = createOpenApiPublisher(graph, digest).snapshot(7, () => [custom, ...builtin.toReversed()])
    expect(again.v3('api/v1')!.json).toBe(first.v3('api/v1')!.json)
  })
})

describe('OpenAPI v2', () => {
  const published = (openApi: object) => {
    const resource = { ...custom, schema: schemaFromOpenApi(openApi, metadata) }
    const { json } = createOpenApiPublisher(graph, digest)
      .snapshot(1, () => [...builtin, resource])
      .v2Json()
    return JSON.parse(json).definitions['com.example.stable.v1.CronTab']
  }

  it('names no field of a kind that takes any, lest kubectl refuse the others', () => {
    const open = published({
      type: 'object',
      'x-kubernetes-preserve-unknown-fields': true,
      properties: { spec: { type: 'object' } },
    })
    const kinds = [{ group: 'stable.example.com', version: 'v1', kind: 'CronTab' }]
    expect(open).toEqual({ type: 'object', 'x-kubernetes-group-version-kind': kinds })
  })

  it('leaves out what it cannot say', () => {
    const { spec } = published({
      type: 'object',
      properties: {
        spec: {
          type: 'object',
          required: ['named', 'empty'],
          allOf: [{ required: ['other'] }],
          properties: {
            named: { type: 'string' },
            empty: { type: 'string', nullable: true },
            free: {
              type: 'object',
              'x-kubernetes-preserve-unknown-fields': true,
              properties: { a: { type: 'string' } },
            },
          },
        },
      },
    }).properties
    expect(spec).toEqual({
      type: 'object',
      required: ['named'],
      properties: {
        named: { type: 'string' },
        empty: {},
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    })
  })

  it('says the same in JSON and in protobuf', () => {
    const json = JSON.parse(snapshot().v2Json().json)
    expect(json.definitions['com.example.stable.v1.CronTab'].properties.spec).toEqual({})
    const reader = Reader.create(snapshot().v2Protobuf().bytes)
    const names: string[] = []
    while (reader.pos < reader.len) {
      const tag = reader.uint32()
      if (tag >>> 3 !== 9) reader.skipType(tag & 7)
      else {
        const definitions = Reader.create(reader.bytes())
        while (definitions.pos < definitions.len) {
          definitions.uint32()
          const named = Reader.create(definitions.bytes())
          named.uint32()
          names.push(named.string())
        }
      }
    }
    expect(names).toEqual(Object.keys(json.definitions))
  })
})
