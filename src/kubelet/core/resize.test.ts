import { expect, test } from 'vitest'
import type { Pod } from '../../api/kinds.ts'
import { resizeRefusal } from './resize.ts'

const pod = (cpu: string, annotations?: Record<string, string>): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', namespace: 'default', ...(annotations === undefined ? {} : { annotations }) },
  spec: { containers: [{ name: 'main', resources: { requests: { cpu } } }] },
  status: { containerStatuses: [{ name: 'main', allocatedResources: { cpu: '3' } } as never] },
})
const allocatable = { cpu: '4' }

test.each([
  ['what fits is granted', pod('2'), [pod('1')], undefined],
  ['what is beyond the node never is', pod('5'), [], 'Infeasible'],
  ['what is beyond what is free waits', pod('2'), [pod('3')], 'Deferred'],
  ['what shrinks is granted on a node that is too full', pod('500m'), [pod('4')], undefined],
  ['a static pod keeps what its file says', pod('2', { 'kubernetes.io/config.source': 'file' }), [], 'Infeasible'],
])('%s', (_name, asked, others, reason) => {
  expect(resizeRefusal(asked, pod('1'), allocatable, others)?.reason).toBe(reason)
})
