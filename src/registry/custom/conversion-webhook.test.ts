import { expect, test } from 'vitest'
import type { KubeObject } from '../../api/object.ts'
import { loadBuiltinSchemas } from '../../schema/graph.ts'
import { must } from '../../lib/assert.ts'
import { systemRandom } from '../../lib/system.ts'
import { convertAll } from '../environment.ts'
import { webhookConversion } from './conversion-webhook.ts'
import { customDefinitions } from './definitions.ts'

const metadata = must(loadBuiltinSchemas().get('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'), 'ObjectMeta')
const [v1, v2] = customDefinitions(
  {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'things.x.io' },
    spec: {
      group: 'x.io',
      scope: 'Cluster',
      names: { plural: 'things', kind: 'Thing' },
      conversion: {
        strategy: 'Webhook',
        webhook: { clientConfig: { url: 'https://x' }, conversionReviewVersions: ['v1'] },
      },
      versions: [
        { name: 'v1', served: true, storage: true },
        { name: 'v2', served: true, storage: false },
      ],
    },
  },
  metadata,
)
const thing = { apiVersion: 'x.io/v1', kind: 'Thing', metadata: { name: 'a', uid: 'u', labels: { old: '1' } } }

function converter(answer: (request: { uid: string; objects: KubeObject[] }) => object) {
  const convert = webhookConversion({
    random: systemRandom,
    transport: async (_config, review) => ({
      response: answer((review as { request: { uid: string; objects: KubeObject[] } }).request),
    }),
  })
  return convert([thing], must(v1, 'v1'), must(v2, 'v2'))
}

test('the webhook converts; of the metadata only labels and annotations change', async () => {
  const converted = await converter(({ uid, objects }) => ({
    uid,
    result: { status: 'Success' },
    convertedObjects: objects.map((one) => ({
      ...one,
      apiVersion: 'x.io/v2',
      metadata: { name: 'b', labels: { new: '1' } },
    })),
  }))
  expect(converted).toEqual([
    { apiVersion: 'x.io/v2', kind: 'Thing', metadata: { name: 'a', uid: 'u', labels: { new: '1' } } },
  ])
})

test.each([
  ['another request', () => ({ uid: 'other', result: { status: 'Success' } }), 'not to this request'],
  ['a refusal', ({ uid }: { uid: string }) => ({ uid, result: { status: 'Failed', message: 'no way' } }), 'no way'],
  [
    'nothing',
    ({ uid }: { uid: string }) => ({ uid, result: { status: 'Success' }, convertedObjects: [] }),
    'returned 0 objects, expected 1',
  ],
])('an answer with %s is a failure', async (_case, answer, message) => {
  await expect(converter(answer)).rejects.toThrow(message)
})

test('objects stay in the version that they were written in: a list asks once, for those of another version', async () => {
  const asked: string[][] = []
  const convert = webhookConversion({
    random: systemRandom,
    transport: async (_config, review) => {
      const { uid, objects, desiredAPIVersion } = (
        review as { request: { uid: string; objects: KubeObject[]; desiredAPIVersion: string } }
      ).request
      asked.push(objects.map((one) => `${one.metadata.name} to ${desiredAPIVersion}`))
      const convertedObjects = objects.map((one) => ({ ...one, apiVersion: desiredAPIVersion }))
      return { response: { uid, result: { status: 'Success' }, convertedObjects } }
    },
  })
  const stored = ['a', 'b', 'c', 'd'].map((name, index) => ({
    ...thing,
    apiVersion: index % 2 === 0 ? 'x.io/v1' : 'x.io/v2',
    metadata: { name },
  }))
  for (const to of [must(v1, 'v1'), must(v2, 'v2')]) {
    const list = await convertAll({ convert }, stored, must(v2, 'v2'), to)
    expect(list.map((one) => [one.metadata.name, one.apiVersion])).toEqual(
      ['a', 'b', 'c', 'd'].map((name) => [name, `x.io/${to.version}`]),
    )
  }
  expect(asked).toEqual([
    ['b to x.io/v1', 'd to x.io/v1'],
    ['a to x.io/v2', 'c to x.io/v2'],
  ])
})
