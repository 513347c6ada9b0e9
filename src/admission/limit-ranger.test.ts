import { beforeEach, expect, test } from 'vitest'
import type { Container, LimitRangeItem, Pod } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { aPod, builtInChain } from './testing/built-in-chain.ts'

let built: ReturnType<typeof builtInChain>
beforeEach(() => {
  built = builtInChain()
})

const limit = (item: Partial<LimitRangeItem>): void =>
  built.put(refs.limitRanges, {
    metadata: { namespace: 'shop', name: 'l' },
    spec: { limits: [{ type: 'Container', ...item }] },
  })
const container = (resources: Container['resources']): Partial<NonNullable<Pod['spec']>> => ({
  containers: [{ name: 'c', image: 'i', resources }],
})

test('fills in defaults, and never above a limit of the container', async () => {
  limit({ default: { cpu: '500m' }, defaultRequest: { cpu: '200m' } })
  expect((await built.admitPod()).containers[0]!.resources).toEqual({
    limits: { cpu: '500m' },
    requests: { cpu: '200m' },
  })
  expect((await built.admitPod(container({ limits: { cpu: '100m' } }))).containers[0]!.resources).toEqual({
    limits: { cpu: '100m' },
    requests: { cpu: '100m' },
  })
})

test('looks at a resize, and at no other update', async () => {
  limit({ max: { cpu: '1' } })
  const object = aPod(container({ limits: { cpu: '2' } }))
  await built.admit({ operation: 'UPDATE', object, oldObject: aPod() })
  await expect(built.admit({ operation: 'UPDATE', subresource: 'resize', object, oldObject: aPod() })).rejects.toThrow(
    'maximum cpu usage per Container is 1, but limit is 2',
  )
})

test.each<[Partial<LimitRangeItem>, Container['resources'], string]>([
  [{ max: { cpu: '1' } }, { limits: { cpu: '2' } }, 'maximum cpu usage per Container is 1, but limit is 2'],
  [{ max: { cpu: '1' } }, {}, 'maximum cpu usage per Container is 1.  No limit is specified'],
  [
    { min: { cpu: '100m' } },
    { requests: { cpu: '50m' } },
    'minimum cpu usage per Container is 100m, but request is 50m',
  ],
  [
    { maxLimitRequestRatio: { cpu: '2' } },
    { requests: { cpu: '100m' }, limits: { cpu: '400m' } },
    'cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000',
  ],
  [
    { type: 'Pod', max: { memory: '1Gi' } },
    { limits: { memory: '2Gi' } },
    'maximum memory usage per Pod is 1Gi, but limit is 2Gi',
  ],
])('%j refuses %j', async (item, resources, message) => {
  limit(item)
  await expect(built.admitPod(container(resources))).rejects.toMatchObject({
    code: 403,
    message: `pods "web" is forbidden: ${message}`,
  })
})
