import { expect, test } from 'vitest'
import { adminAccessPaths, defaultClaimSpec } from './defaults.ts'

const spec = (...requests: object[]) => ({ devices: { requests } }) as Record<string, unknown>
const defaulted = (request: object) => {
  const claim = spec(request)
  defaultClaimSpec(claim)
  return claim
}

test('a request is for one device unless it says otherwise, in every shape of the API', () => {
  const one = { allocationMode: 'ExactCount', count: 1 }
  expect(defaulted({ name: 'a', exactly: { deviceClassName: 'x' } })).toEqual(
    spec({ name: 'a', exactly: { deviceClassName: 'x', ...one } }),
  )
  expect(defaulted({ name: 'a', deviceClassName: 'x' })).toEqual(spec({ name: 'a', deviceClassName: 'x', ...one }))
  expect(
    defaulted({ name: 'a', firstAvailable: [{ name: 'b', deviceClassName: 'x', allocationMode: 'All' }] }),
  ).toEqual(spec({ name: 'a', firstAvailable: [{ name: 'b', deviceClassName: 'x', allocationMode: 'All' }] }))
  expect(defaulted({ name: 'a', exactly: { count: 4, tolerations: [{ key: 'k' }] } })).toEqual(
    spec({
      name: 'a',
      exactly: { allocationMode: 'ExactCount', count: 4, tolerations: [{ key: 'k', operator: 'Equal' }] },
    }),
  )
})

test('access to devices in use is found where it is asked for', () => {
  const asking = spec({ name: 'a' }, { name: 'b', exactly: { adminAccess: true } }, { name: 'c', adminAccess: true })
  expect(adminAccessPaths(asking, 'spec')).toEqual([
    'spec.devices.requests[1].exactly.adminAccess',
    'spec.devices.requests[2].adminAccess',
  ])
  expect(adminAccessPaths(undefined, 'spec')).toEqual([])
})
