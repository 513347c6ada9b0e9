import { expect, test } from 'vitest'
import type { Pod } from '../../api/kinds.ts'
import { chooseDevices, deviceWishes } from './device-choice.ts'

test.each([
  ['free ones in their order', 2, [], ['a', 'b', 'c'], [], ['a', 'b']],
  ['the plugin’s choice first', 1, [], ['a', 'b'], ['b'], ['b']],
  ['never what is not free, whoever prefers it', 1, [], ['a'], ['z'], ['a']],
  ['what an init container had, before others', 2, ['c'], ['a', 'b'], ['b'], ['c', 'b']],
  ['none when there are too few', 3, ['c'], ['a'], [], undefined],
])('devices for a container: %s', (_name, count, reusable, free, preferred, expected) => {
  expect(chooseDevices(count, reusable, free, preferred)).toEqual(expected)
})

test('containers ask in the order in which they start; only init containers give back', () => {
  const container = (name: string, more = {}) => ({ name, resources: { limits: { 'x/y': '1', cpu: '1' } }, ...more })
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {},
    spec: {
      initContainers: [container('init'), container('sidecar', { restartPolicy: 'Always' })],
      containers: [container('app')],
    },
  }
  expect(deviceWishes(pod, (resource) => resource === 'x/y')).toEqual([
    { container: 'init', resource: 'x/y', count: 1, isTransient: true },
    { container: 'sidecar', resource: 'x/y', count: 1, isTransient: false },
    { container: 'app', resource: 'x/y', count: 1, isTransient: false },
  ])
})
