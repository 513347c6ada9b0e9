import { expect, test } from 'vitest'
import type { Node, Service, ServiceCIDR } from '../../src/api/kinds.ts'
import { tunnelRoutes } from './tunnel.ts'

test('routes lead to the ranges of cluster IPs, and to addresses that are no node’s own', () => {
  const range: ServiceCIDR = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'kubernetes' },
    spec: { cidrs: ['10.96.0.0/16', 'fd00:10:96::/112'] },
  }
  const node = {
    metadata: { name: 'a' },
    status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] },
  } as Node
  const service = (name: string, ...ips: string[]): Service => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { externalIPs: ['198.51.100.7'] },
    status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } },
  })
  const services = [service('a', '192.0.2.1'), service('b', '192.0.2.100', '2001:db8::100')]
  expect(tunnelRoutes([range], services, [node])).toEqual([
    '10.96.0.0/16',
    'fd00:10:96::/112',
    '198.51.100.7/32',
    '192.0.2.100/32',
    '2001:db8::100/128',
  ])
})
