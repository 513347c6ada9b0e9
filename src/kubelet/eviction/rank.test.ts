import { expect, test } from 'vitest'
import type { Pod } from '../../api/kinds.ts'
import { evictionMessage, rankForEviction } from './rank.ts'

const mi = 1024 * 1024

const candidate = (name: string, useMi: number, requestMi: number, more: Partial<Pod['spec']> = {}) => ({
  pod: {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, uid: name },
    spec: {
      containers: [
        { name: 'main', ...(requestMi > 0 ? { resources: { requests: { memory: `${requestMi}Mi` } } } : {}) },
      ],
      ...more,
    },
  } as Pod,
  use: useMi * mi,
})

const names = (candidates: readonly { pod: Pod }[]) => candidates.map(({ pod }) => pod.metadata.name)

test('who uses more than was asked for goes before who does not, whatever the amounts', () => {
  const within = candidate('within', 900, 1000)
  const over = candidate('over', 20, 10)
  expect(names(rankForEviction([within, over], 'memory'))).toEqual(['over', 'within'])
})

test('among those the lower priority goes first, then the larger excess', () => {
  const important = candidate('important', 500, 0, { priority: 1000 })
  const small = candidate('small', 20, 10)
  const large = candidate('large', 60, 10)
  expect(names(rankForEviction([important, small, large], 'memory'))).toEqual(['large', 'small', 'important'])
})

test('critical and static pods are never among them', () => {
  const critical = candidate('critical', 500, 0, { priority: 2_000_001_000 })
  const fixed = candidate('fixed', 500, 0)
  fixed.pod.metadata.annotations = { 'kubernetes.io/config.mirror': 'x' }
  expect(rankForEviction([critical, fixed], 'memory')).toEqual([])
})

test('the message names resource, threshold, what is left and the consumer', () => {
  expect(evictionMessage(candidate('a', 5, 0), 'memory', '102400Ki', '53248Ki')).toBe(
    'The node was low on resource: memory. Threshold quantity: 102400Ki, available: 53248Ki. Container main was using 5120Ki, request is 0, has larger consumption of memory. ',
  )
})
