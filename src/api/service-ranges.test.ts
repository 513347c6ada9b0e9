import { expect, test } from 'vitest'
import type { Node, ServiceCIDR } from './kinds.ts'
import { rangeClash, serviceRanges } from './service-ranges.ts'

const node: Node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'a' },
  spec: { podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'] },
  status: {
    addresses: [
      { type: 'InternalIP', address: '192.0.2.1' },
      { type: 'Hostname', address: 'a' },
    ],
  },
}

test.each([
  ['192.0.2.0/24', '192.0.2.0/24 holds 192.0.2.1, an address of node a'],
  ['192.0.2.1/32', '192.0.2.1/32 holds 192.0.2.1, an address of node a'],
  ['10.0.0.0/8', '10.0.0.0/8 overlaps 10.244.1.0/24, the pods of node a'],
  ['10.244.1.128/25', '10.244.1.128/25 overlaps 10.244.1.0/24, the pods of node a'],
  ['fd00:10:244::/48', 'fd00:10:244::/48 overlaps fd00:10:244:1::/64, the pods of node a'],
  ['203.0.113.0/24', undefined],
  ['fd00:10:96::/112', undefined],
  ['nonsense', undefined],
])('%s: %s', (cidr, clash) => expect(rangeClash(cidr, [node])).toBe(clash))

test('of a ServiceCIDR with two ranges the one that clashes is left out', () => {
  const cidr: ServiceCIDR = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'x' },
    spec: { cidrs: ['192.0.0.0/16', 'fd01::/112'] },
  }
  expect(serviceRanges([cidr], [node])).toEqual(['fd01::/112'])
  expect(serviceRanges([cidr], [])).toEqual(['192.0.0.0/16', 'fd01::/112'])
})
