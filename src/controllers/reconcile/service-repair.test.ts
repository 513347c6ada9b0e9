import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Service } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { listedInformers } from '../../client/listed-informers.ts'
import { indexedView } from '../indexed-view.ts'
import { serviceRepairController } from './service-repair.ts'

interface Held {
  ip: string
  nodePort?: number
  protocol?: string
}

const service = (index: number, { ip, nodePort, protocol = 'TCP' }: Held): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    name: `s${index}`,
    namespace: 'default',
    uid: `u${index}`,
    creationTimestamp: new Date(index * 1000).toISOString(),
  },
  spec: {
    type: nodePort ? 'NodePort' : 'ClusterIP',
    clusterIP: ip,
    clusterIPs: [ip],
    ports: [{ port: 80, protocol, ...(nodePort ? { nodePort } : {}) }],
  },
})

/** Who is warned, and of what: `s1 ClusterIPAlreadyAllocated`. */
function warnings(held: readonly Held[], ...further: string[]): string[] {
  const services = held.map((one, index) => service(index, one))
  const ranges = ['10.96.0.0/16', ...further].map((cidr, index) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: `range-${index}` },
    spec: { cidrs: [cidr] },
  }))
  const view = indexedView(
    listedInformers([
      [refs.services, services],
      [refs.serviceCidrs, ranges],
    ]),
  )
  return serviceRepairController.keys(view).flatMap((key) =>
    serviceRepairController.plan(key, view, 0).actions.map((action) => {
      if (action.do !== 'event') throw new Error('it only tells')
      return `${action.about.name} ${action.reason}`
    }),
  )
}

test('of two that hold one address, or one port of one protocol, the younger is told', () => {
  expect(warnings([{ ip: '10.96.0.5' }, { ip: '10.96.0.5' }])).toEqual(['s1 ClusterIPAlreadyAllocated'])
  const port = { nodePort: 30_000 }
  expect(
    warnings([
      { ip: '10.96.0.5', ...port },
      { ip: '10.96.0.6', ...port },
    ]),
  ).toEqual(['s1 PortAlreadyAllocated'])
  expect(
    warnings([
      { ip: '10.96.0.5', ...port },
      { ip: '10.96.0.6', ...port, protocol: 'UDP' },
    ]),
  ).toEqual([])
})

test('an address out of every range is told; headless services hold none', () => {
  expect(warnings([{ ip: '10.97.0.5' }])).toEqual(['s0 ClusterIPOutOfRange'])
  expect(warnings([{ ip: '10.97.0.5' }], '10.97.0.0/24')).toEqual([])
  expect(warnings([{ ip: 'None' }, { ip: 'None' }])).toEqual([])
})

test('as many are told as hold what an older one holds, whatever there is', () => {
  const held = fc.record({ ip: fc.constantFrom('10.96.0.1', '10.96.0.2', '10.96.0.3', 'None') })
  fc.assert(
    fc.property(fc.array(held, { maxLength: 12 }), (all) => {
      const ips = all.map(({ ip }) => ip).filter((ip) => ip !== 'None')
      expect(warnings(all)).toHaveLength(ips.length - new Set(ips).size)
    }),
  )
})
