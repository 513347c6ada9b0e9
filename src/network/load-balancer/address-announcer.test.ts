import { expect, test } from 'vitest'
import type { Service } from '../../api/kinds.ts'
import { announcedAddresses } from './address-announcer.ts'

test('a node announces the addresses of the services that name it, and no others', () => {
  const service = (name: string, node: string | undefined, ip: string): Service => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, annotations: node === undefined ? undefined : { 'stormo.dev/announced-by': node } },
    status: { loadBalancer: { ingress: [{ ip }] } },
  })
  const services = [
    service('a', 'n1', '192.0.2.1'),
    service('b', 'n2', '192.0.2.2'),
    service('c', undefined, '192.0.2.3'),
  ]
  expect(announcedAddresses(services, 'n1')).toEqual(new Set(['192.0.2.1']))
  expect(announcedAddresses(services, 'n3')).toEqual(new Set())
})
