import { describe, expect, test } from 'vitest'
import type { Service, ServiceSpec } from '../api/kinds.ts'
import { completeFamilies, familyErrors } from './service-families.ts'

const service = (spec: ServiceSpec): Service & { apiVersion: string; kind: string } => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec,
})
const errorsOf = (spec: ServiceSpec, stored?: ServiceSpec, isDualStack = false): string[] =>
  familyErrors(service(spec), stored && service(stored), isDualStack).map(
    ({ field, message }) => `${field}: ${message}`,
  )

test('where there is one family a second cannot be had, and is not promised', () => {
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

describe('families that a Service did not name', () => {
  const completed = (spec: ServiceSpec, isDualStack: boolean, before?: ServiceSpec) => {
    const next = structuredClone(spec)
    completeFamilies(next, before, isDualStack)
    return `${next.ipFamilyPolicy} ${next.ipFamilies?.join()}`
  }

  test.each<[ServiceSpec, boolean, string]>([
    [{}, true, 'SingleStack IPv4'],
    [{ ipFamilyPolicy: 'PreferDualStack' }, true, 'PreferDualStack IPv4,IPv6'],
    [{ ipFamilyPolicy: 'PreferDualStack' }, false, 'PreferDualStack IPv4'],
    [{ ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6'] }, true, 'RequireDualStack IPv6,IPv4'],
    [{ clusterIP: 'fd00:10:96::7' }, true, 'SingleStack IPv6'],
    [{ clusterIP: 'None' }, false, 'RequireDualStack IPv4,IPv6'],
    [{ clusterIP: 'None', selector: { a: 'b' } }, false, 'SingleStack IPv4'],
  ])('%j', (spec, isDualStack, expected) => {
    expect(completed(spec, isDualStack)).toBe(expected)
  })

  test('an update that says nothing keeps them; one that wants a single one loses the second', () => {
    const before: ServiceSpec = {
      ipFamilyPolicy: 'PreferDualStack',
      ipFamilies: ['IPv6', 'IPv4'],
      clusterIPs: ['fd00:10:96::7', '10.96.0.7'],
    }
    expect(completed({}, true, before)).toBe('PreferDualStack IPv6,IPv4')
    const single: ServiceSpec = { ...before, ipFamilyPolicy: 'SingleStack' }
    completeFamilies(single, before, true)
    expect(single).toMatchObject({ ipFamilies: ['IPv6'], clusterIPs: ['fd00:10:96::7'] })
  })
})

test('where there are two families they have to fit the policy and the addresses', () => {
  const both: ServiceSpec = { ipFamilies: ['IPv4', 'IPv6'] }
  expect(errorsOf({ ...both, ipFamilyPolicy: 'RequireDualStack' }, undefined, true)).toEqual([])
  expect(errorsOf({ ...both, ipFamilyPolicy: 'SingleStack' }, undefined, true)).toEqual([
    'spec.ipFamilyPolicy: Invalid value: "SingleStack": must be RequireDualStack or PreferDualStack when multiple IP families are specified',
  ])
  expect(errorsOf({ ipFamilies: ['IPv6'], clusterIPs: ['10.96.0.7'] }, undefined, true)).toEqual([
    'spec.clusterIPs[0]: Invalid value: "10.96.0.7": expected an IPv6 value as indicated by `ipFamilies[0]`',
  ])
})
