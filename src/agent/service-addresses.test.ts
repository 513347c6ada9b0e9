import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createFakeInformers } from '../../test/support/fake-informers.ts'
import type { IPAddress, Service, ServiceCIDR } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { defaultClusterConfig, defaultIpv6Ranges } from './membership-file.ts'
import { followHoldings, furtherRanges, pairedFamilies } from './service-addresses.ts'

const service = (name: string, clusterIPs: string[], nodePort?: number): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { clusterIP: clusterIPs[0]!, clusterIPs, ports: [{ port: 80, ...(nodePort ? { nodePort } : {}) }] },
})
const range = (name: string, cidrs: string[], more: object = {}): ServiceCIDR => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'ServiceCIDR',
  metadata: { name, ...more },
  spec: { cidrs },
  status: { conditions: [{ type: 'Ready', status: 'True', reason: '', message: '', lastTransitionTime: '' }] },
})
const address = (name: string, labels: Record<string, string> = {}): IPAddress => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IPAddress',
  metadata: { name, labels },
  spec: { parentRef: { resource: 'gateways', name: 'x' } },
})
const dual = { ...defaultClusterConfig, ipv6: defaultIpv6Ranges }

test('what Services hold is in use, whatever they held before; what users keep is too', () => {
  const value = fc.integer({ min: 1, max: 4 })
  const step = fc.record({ name: fc.constantFrom('a', 'b', 'c'), ip: fc.option(value), port: fc.option(value) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const informers = createFakeInformers()
      const inUse = followHoldings(informers, undefined)
      const now = new Map<string, { ip: string; port: string }>()
      for (const { name, ip, port } of steps) {
        now.delete(name)
        if (ip === null) informers.remove(refs.services, 'default', name)
        else {
          informers.put(refs.services, service(name, [`10.96.0.${ip}`], port === null ? undefined : 30_000 + port))
          now.set(name, { ip: `10.96.0.${ip}`, port: String(30_000 + (port ?? 0)) })
        }
        const used = new Set([...now.values()].flatMap((one) => [one.ip, one.port]))
        for (const last of [1, 2, 3, 4]) {
          expect(inUse(`10.96.0.${last}`)).toBe(used.has(`10.96.0.${last}`))
          expect(inUse(String(30_000 + last))).toBe(used.has(String(30_000 + last)))
        }
      }
    }),
  )
  const informers = createFakeInformers()
  informers.put(refs.ipAddresses, address('10.96.0.7'))
  informers.put(refs.ipAddresses, address('10.96.0.8', { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' }))
  const inUse = followHoldings(informers, undefined)
  expect(['10.96.0.7', '10.96.0.8'].map(inUse)).toEqual([true, false])
})

test('an IPv6 address is in use by the IPv4 one that goes with it, as the ranges say', () => {
  const informers = createFakeInformers()
  const families = pairedFamilies(informers, dual)
  const inUse = followHoldings(informers, families)
  informers.put(refs.services, service('own', ['fd00:10:96::105']))
  informers.put(refs.services, service('further', ['fd00:150::7']))
  expect([inUse('10.96.1.5'), inUse('10.150.0.7')]).toEqual([true, false])
  informers.put(refs.serviceCidrs, range('further', ['fd00:150::/120', '10.150.0.0/24']))
  expect([inUse('10.150.0.7'), families?.toIpv6('10.150.0.9')]).toEqual([true, 'fd00:150::9'])
  expect(pairedFamilies(informers, defaultClusterConfig)).toBeUndefined()
})

test('further ranges are those of IPv4 that are Ready, and neither the first one nor about to go', () => {
  const informers = createFakeInformers()
  informers.put(refs.serviceCidrs, range('kubernetes', ['10.96.0.0/16']))
  informers.put(refs.serviceCidrs, range('a', ['fd00:150::/120', '10.150.0.0/24']))
  informers.put(refs.serviceCidrs, range('b', ['10.151.0.0/24'], { deletionTimestamp: '2026-01-01T00:00:00Z' }))
  const notYet: ServiceCIDR = { ...range('c', ['10.152.0.0/24']), status: {} }
  informers.put(refs.serviceCidrs, notYet)
  expect(furtherRanges(informers, defaultClusterConfig)).toEqual(['10.150.0.0/24'])
})
