import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../api/object.ts'
import { parseYaml } from '../schema/yaml.ts'
import { builtinResources } from '../kinds/builtin.ts'
import { loadBuiltinSchemas } from '../schema/graph.ts'
import type { Schema } from '../schema/schema.ts'
import type { Target } from './options.ts'
import { applyMergePatch } from '../schema/merge-patch.ts'
import { testRegistry } from './testing/environment.ts'

/**
 * Manifests as people write them: each goes in by both kinds of apply, comes back defaulted, and a second apply changes
 * nothing, down to the resourceVersion.
 */
const folder = new URL('../../test/fixtures/manifests/', import.meta.url)
const graph = loadBuiltinSchemas()
const corpus = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .toSorted()
  .map((file) => ({ file, manifest: parseYaml(readFileSync(new URL(file, folder), 'utf8')).value as KubeObject }))

function targetOf(
  { apiVersion, kind, metadata }: KubeObject,
  catalogue: ReturnType<typeof testRegistry>['catalogue'],
): Target {
  const [version = '', group = ''] = apiVersion.split('/').toReversed()
  const definition = catalogue.findKind(group, version, kind)
  if (!definition) throw new Error(`no such kind: ${apiVersion} ${kind}`)
  return { definition, namespace: definition.namespaced ? 'default' : '', name: metadata.name ?? '', subresource: '' }
}

const ports = { nextIp: 10, nextPort: 30_100 }
const addresses = {
  takeClusterIp: () => `10.96.0.${ports.nextIp++}`,
  takeNodePort: () => ports.nextPort++,
  replenish: async () => undefined,
  returnClusterIp: () => undefined,
  returnNodePort: () => undefined,
  claim: async () => undefined,
  release: async () => undefined,
}

test('there are enough of them', () => expect(corpus.length).toBeGreaterThanOrEqual(60))

describe.each(corpus)('$file', ({ manifest }) => {
  const strict = { fieldValidation: 'Strict', fieldManager: 'kubectl' } as const
  const body = () => ({ value: structuredClone(manifest), strictErrors: [] })

  test('client-side: created, then unchanged', async () => {
    const { registry, context, catalogue } = testRegistry({ addresses })
    const target = targetOf(manifest, catalogue)
    const created = await registry.create(context, { ...target, name: '' }, body(), strict)
    expect(leftOut(manifest, created)).toEqual([])
    // What kubectl sends for a manifest that did not change.
    const patch = { type: 'merge', body: applyMergePatch({}, { ...manifest }) } as const
    const again = await registry.patch(context, target, patch, strict)
    expect(again.object.metadata.resourceVersion).toBe(created.metadata.resourceVersion)
    const put = { value: structuredClone(await registry.get(context, target)), strictErrors: [] }
    const replaced = await registry.update(context, target, put, strict)
    expect(replaced.object.metadata.resourceVersion).toBe(created.metadata.resourceVersion)
  })

  test('server-side: created, then unchanged', async () => {
    const { registry, context, catalogue } = testRegistry({ addresses })
    const target = targetOf(manifest, catalogue)
    const { object, created } = await registry.apply(context, target, body(), strict)
    expect(created).toBe(true)
    const again = await registry.apply(context, target, body(), strict)
    expect(again.created).toBe(false)
    expect(again.object.metadata.resourceVersion).toBe(object.metadata.resourceVersion)
  })
})

/** Paths of the manifest that the stored object does not have. Values may be written in another form. */
function leftOut(wanted: unknown, actual: unknown, path = ''): string[] {
  // What is false, 0 or empty goes without saying.
  if (typeof wanted !== 'object' || wanted === null) return actual === undefined && wanted ? [path] : []
  if (path.endsWith('/stringData')) return []
  if (typeof actual !== 'object' || actual === null) return Object.keys(wanted).length === 0 ? [] : [path]
  return Object.entries(wanted).flatMap(([key, value]) =>
    leftOut(value, (actual as Record<string, unknown>)[key], `${path}/${key}`),
  )
}

describe('every field is used', () => {
  const kinds = [
    'Pod',
    'Deployment',
    'ReplicaSet',
    'StatefulSet',
    'DaemonSet',
    'Job',
    'CronJob',
    'ReplicationController',
  ]
  const network = ['Service', 'EndpointSlice', 'Ingress', 'IngressClass', 'NetworkPolicy', 'ServiceCIDR', 'IPAddress']
  const definitions = builtinResources(graph)

  test.each([...kinds, ...network])('of %s', (kind) => {
    const definition = definitions.find((one) => one.kind === kind && one.version === 'v1')
    const schema = definition && graph.get(definition.schemaName)
    const samples = corpus.filter(({ manifest }) => manifest.kind === kind).map(({ manifest }) => manifest)
    const unused = unusedFields(schema, samples, '', kind === 'Pod' ? [] : ['template', 'jobTemplate'])
    expect(unused.filter((path) => !notForManifests.some((pattern) => pattern.test(path)))).toEqual([])
  })
})

/** What is the server's to say, old names of other fields, alpha fields, and storage of clouds that are gone. */
const notForManifests = [
  /^\/(status|metadata|apiVersion|kind)/,
  /^\/spec\/(ephemeralContainers|schedulingGroup|nodeName|priority|serviceAccount|clusterIPs|healthCheckNodePort)$/,
  // A pod as a whole claims no devices.
  /^\/spec\/resources\/claims$/,
  /\/volumes\/(awsElasticBlockStore|azureDisk|azureFile|cephfs|cinder|flexVolume|flocker|gcePersistentDisk|gitRepo|glusterfs|photonPersistentDisk|portworxVolume|quobyte|rbd|scaleIO|storageos|vsphereVolume)/,
]

/** Schema paths that no sample goes through; `stop` names members that other kinds cover. */
function unusedFields(
  schema: Schema | undefined,
  samples: readonly unknown[],
  path: string,
  stop: readonly string[],
): string[] {
  if (!schema?.fields) return schema?.items ? unusedFields(schema.items, samples.flat(), path, stop) : []
  return [...schema.fields].flatMap(([name, field]) => {
    const at = `${path}/${name}`
    const values = samples.flatMap((one) => {
      const value = (one as Record<string, unknown> | null)?.[name]
      return value === undefined ? [] : [value]
    })
    if (values.length === 0) return [at]
    if (stop.includes(name) || name === 'metadata') return []
    return unusedFields(field.schema, values, at, stop)
  })
}
