import { expect, test } from 'vitest'
import type { KubeObject } from '../../api/object.ts'
import { formatQuantity } from '../../lib/quantity.ts'
import { usageOf } from './usage.ts'

test('a claim uses the devices that it asks for, of alternatives the most', () => {
  const usage = usageOf({ group: 'resource.k8s.io', resource: 'resourceclaims' }, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: {},
    spec: {
      devices: {
        requests: [
          { name: 'a', exactly: { deviceClassName: 'gold', allocationMode: 'ExactCount', count: 2 } },
          { name: 'b', exactly: { deviceClassName: 'tin', allocationMode: 'All' } },
          {
            name: 'c',
            firstAvailable: [
              { name: 'x', deviceClassName: 'gold', allocationMode: 'ExactCount', count: 1 },
              { name: 'y', deviceClassName: 'gold', allocationMode: 'ExactCount', count: 3 },
              { name: 'z', deviceClassName: 'lead', allocationMode: 'ExactCount', count: 4 },
            ],
          },
        ],
      },
    },
  } as KubeObject)
  expect(Object.fromEntries(Object.entries(usage).map(([name, amount]) => [name, formatQuantity(amount)]))).toEqual({
    'count/resourceclaims.resource.k8s.io': '1',
    'gold.deviceclass.resource.k8s.io/devices': '5',
    'tin.deviceclass.resource.k8s.io/devices': '32',
    'lead.deviceclass.resource.k8s.io/devices': '4',
  })
})
