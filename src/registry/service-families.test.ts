import { expect, test } from 'vitest'
import type { Service, ServiceSpec } from '../api/kinds.ts'
import { familyErrors } from './service-families.ts'

const service = (spec: ServiceSpec): Service & { apiVersion: string; kind: string } => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec,
})
const errorsOf = (spec: ServiceSpec, stored?: ServiceSpec): string[] =>
  familyErrors(service(spec), stored && service(stored)).map(({ field, message }) => `${field}: ${message}`)

test('a second family cannot be had, and is not promised', () => {
  expect(errorsOf({ ipFamilyPolicy: 'RequireDualStack' })).toEqual([
    'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
  ])
  expect(errorsOf({ ipFamilies: ['IPv4', 'IPv6'] })).toEqual([
    'spec.ipFamilies[1]: Invalid value: "IPv6": not configured on this cluster',
  ])
  expect(errorsOf({ ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv4'] })).toEqual([])
})

test('headless ones kept by hand, aliases, and what was stored before pass', () => {
  const both: ServiceSpec = { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'] }
  expect(errorsOf({ ...both, clusterIP: 'None' })).toEqual([])
  expect(errorsOf({ ...both, clusterIP: 'None', selector: { a: 'b' } })).toHaveLength(2)
  expect(errorsOf({ ...both, type: 'ExternalName' })).toEqual([])
  expect(errorsOf({ ...both, ports: [{ port: 80 }] }, both)).toEqual([])
})
