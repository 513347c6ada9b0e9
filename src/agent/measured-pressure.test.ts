import { expect, test } from 'vitest'
import type { Pod } from '../api/kinds.ts'
import { differs, meanByWorkload } from './measured-pressure.ts'

const pod = (uid: string, owner?: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    uid,
    ...(owner
      ? { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true }] }
      : {}),
  },
})

test('pods of one controller strain what they do on average, one without a controller what it does itself', () => {
  const means = meanByWorkload([
    { pod: pod('a', 'web'), pressure: { cpu: 0.5 } },
    { pod: pod('b', 'web'), pressure: { cpu: 0.25, io: 0.5 } },
    { pod: pod('c'), pressure: { memory: 0.125 } },
  ])
  expect([...means]).toEqual([
    ['web', { cpu: 0.375, io: 0.25 }],
    ['c', { memory: 0.125 }],
  ])
})

test('what comes, goes or changes by more than noise is weighed anew', () => {
  const at = (cpu: number) => new Map([['web', { cpu }]])
  expect(differs(at(0.5), at(0.51))).toBe(false)
  expect(differs(at(0.5), at(0.55))).toBe(true)
  expect(differs(new Map(), at(0.5))).toBe(true)
  expect(differs(at(0.5), new Map())).toBe(true)
})
