import { expect, test } from 'vitest'
import { alignTabs } from '../align.ts'
import { spacedName } from './generic.ts'
import { describeIngress } from './ingress.ts'
import { shortIndexes } from './jobs.ts'
import { limitLines, quotaLines } from './limits.ts'
import { describeNetworkPolicy } from './network-policy.ts'
import { compactRules } from './rbac.ts'

test('rules are cut into one resource each, their verbs joined, and sorted', () => {
  const rules = compactRules([
    { apiGroups: ['', 'apps'], resources: ['pods'], verbs: ['get'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
    { nonResourceURLs: ['/healthz'], verbs: ['get'] },
  ])
  expect(rules).toEqual([
    { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] },
    { verbs: ['get'], nonResourceURLs: ['/healthz'] },
    { verbs: ['get'], apiGroups: ['apps'], resources: ['pods'] },
  ])
})

test('a field name is spaced at its humps unless it has digits or signs', () => {
  expect(['observedGeneration', 'podCIDR', 'uid', 'nonResourceURLs', 'openAPIV3Schema', 'a.b'].map(spacedName)).toEqual(
    ['Observed Generation', 'Pod CIDR', 'UID', 'Non Resource UR Ls', 'openAPIV3Schema', 'a.b'],
  )
})

test('an ingress shows its backends with their endpoints, or why there are none', () => {
  const lines = describeIngress(
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        rules: [
          {
            host: 'a.example',
            http: {
              paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'gone', port: { number: 1 } } } }],
            },
          },
        ],
      },
    },
    { nowMs: 0, backends: new Map([['gone', { error: 'services "gone" not found' }]]) },
  )
  expect(alignTabs(lines)).toContain('/   gone:1 (<error: services "gone" not found>)\n')
  expect(lines).toContain('Default backend:\t<default>')
})

test('a policy that allows nothing says that its pods are isolated', () => {
  const lines = describeNetworkPolicy({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'deny', namespace: 'default' },
    spec: { podSelector: {}, policyTypes: ['Ingress'] },
  })
  expect(lines).toContain('    <none> (Selected pods are isolated for ingress connectivity)')
  expect(lines).toContain('  Not affecting egress traffic')
})

test('limits are listed by resource with a dash where nothing is set, quotas by name', () => {
  const spec = { limits: [{ type: 'Container', max: { memory: '1Gi' }, min: { cpu: '1m' } }] }
  expect(limitLines({ apiVersion: 'v1', kind: 'LimitRange', metadata: {}, spec })).toEqual([
    'Container\tcpu\t1m\t-\t-\t-\t-',
    'Container\tmemory\t-\t1Gi\t-\t-\t-',
  ])
  const quota = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'q' }, status: { hard: { pods: '5' } } }
  expect(quotaLines(quota, true).at(-1)).toBe('pods\t0\t5')
})

test('a long list of indexes is cut behind the next comma', () => {
  expect(shortIndexes('')).toBe('<none>')
  expect(shortIndexes(`${'1,'.repeat(25)}99,100`)).toBe(`${'1,'.repeat(25)}99,...`)
})
