import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../../api/object.ts'
import { countedResource, quotaStatus, sameAmounts } from './quota-status.ts'

describe('countedResource', () => {
  test.each([
    ['count/jobs.batch', 'batch', 'jobs'],
    ['count/configmaps', '', 'configmaps'],
    ['requests.cpu', '', 'pods'],
    ['limits.memory', '', 'pods'],
    ['requests.storage', '', 'persistentvolumeclaims'],
    ['gold.storageclass.storage.k8s.io/requests.storage', '', 'persistentvolumeclaims'],
    ['services.nodeports', '', 'services'],
    ['secrets', '', 'secrets'],
  ])('%s', (name, group, resource) => {
    expect(countedResource(name)).toEqual({ group, resource })
  })
})

test('the status says how much of each amount is used, and nothing of other amounts', () => {
  const pod = (cpu: string, phase = 'Running') =>
    ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a', namespace: 'n' },
      spec: { containers: [{ name: 'a', resources: { requests: { cpu, memory: '1Gi' } } }] },
      status: { phase },
    }) as KubeObject
  const quota = {
    metadata: { name: 'q', namespace: 'n' },
    spec: { hard: { 'requests.cpu': '2', pods: '5', 'count/jobs.batch': '1' } },
  }
  const status = quotaStatus(quota as never, ({ resource }) =>
    resource === 'pods' ? [pod('250m'), pod('500m'), pod('4', 'Succeeded')] : [],
  )
  expect(status.used).toEqual({ 'requests.cpu': '750m', pods: '2', 'count/jobs.batch': '0' })
  expect(status.hard).toEqual(quota.spec.hard)
})

test('amounts are compared by value', () => {
  expect(sameAmounts({ cpu: '1' }, { cpu: '1000m' })).toBe(true)
  expect(sameAmounts({ cpu: '1' }, { cpu: '2' })).toBe(false)
  expect(sameAmounts({ cpu: '1' }, {})).toBe(false)
})
