import { expect, test } from 'vitest'
import type { ServiceCIDR } from '../../api/kinds.ts'
import type { View } from '../controller.ts'
import { serviceCidrController } from './service-cidr.ts'

const range = (more: Partial<ServiceCIDR> = {}): ServiceCIDR => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'ServiceCIDR',
  metadata: { name: 'second', uid: 'u' },
  spec: { cidrs: ['10.150.0.0/24'] },
  ...more,
})
const plan = (found: ServiceCIDR | undefined) =>
  serviceCidrController.plan('/second', { get: () => found, list: () => (found ? [found] : []) } as unknown as View, 0)

test('a new range becomes Ready, beside the conditions of others', () => {
  const other = { type: 'Other', status: 'True' as const, reason: 'X', message: '', lastTransitionTime: '' }
  const [action] = plan(range({ status: { conditions: [other] } })).actions
  if (action?.do !== 'mutate') throw new Error('nothing is changed')
  expect(action.subresource).toBe('status')
  expect(action.change(range({ status: { conditions: [other] } }) as never)).toMatchObject({
    status: { conditions: [other, { type: 'Ready', status: 'True' }] },
  })
})

test('one that is Ready, ends or is gone is left alone', () => {
  const ready = { type: 'Ready', status: 'True' as const, reason: '', message: '', lastTransitionTime: '' }
  expect(plan(range({ status: { conditions: [ready] } })).actions).toEqual([])
  expect(plan(range({ metadata: { name: 'second', deletionTimestamp: '2024-01-01T00:00:00Z' } })).actions).toEqual([])
  expect(plan(undefined).actions).toEqual([])
})
