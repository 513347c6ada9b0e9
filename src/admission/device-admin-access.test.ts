import { expect, test } from 'vitest'
import type { Namespace } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { fakeInformers } from '../client/fake-informers.ts'
import { deviceAdminAccess } from './device-admin-access.ts'
import type { AdmissionAttributes } from './plugin.ts'

test('claims on devices in use need a namespace that is marked for it', () => {
  const informers = fakeInformers()
  const namespace = (name: string, labels: Record<string, string>) =>
    informers.put(refs.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })
  namespace('plain', {})
  namespace('watchers', { 'resource.k8s.io/admin-access': 'true' })
  const plugin = deviceAdminAccess(informers.for<Namespace>(refs.namespaces))
  const devices = { requests: [{ name: 'a', exactly: { adminAccess: true } }] }
  const create = (at: string, resource: string, spec: object) =>
    plugin.validates?.({
      operation: 'CREATE',
      ref: { group: 'resource.k8s.io', version: 'v1', resource, kind: 'X' },
      namespace: at,
      name: 'c',
      object: { apiVersion: 'resource.k8s.io/v1', kind: 'X', metadata: { name: 'c' }, spec },
    } as unknown as AdmissionAttributes)
  expect(() => create('plain', 'resourceclaims', { devices })).toThrow(
    /spec\.devices\.requests\[0\]\.exactly\.adminAccess: Forbidden: admin access to devices requires/,
  )
  expect(() => create('plain', 'resourceclaimtemplates', { spec: { devices } })).toThrow(/spec\.spec\.devices/)
  expect(() => create('watchers', 'resourceclaims', { devices })).not.toThrow()
  expect(() => create('plain', 'resourceclaims', { devices: { requests: [{ name: 'a', exactly: {} }] } })).not.toThrow()
})
