import { expect, test } from 'vitest'
import { createFlowControl } from './flow-control.ts'

const user = (username: string, ...groups: string[]) => ({ username, groups })

test('a flood of one user is refused with Retry-After, others get in, seats come back once', () => {
  const flow = createFlowControl({ totalSeats: 4, seatsPerUser: 2 })
  const leave = flow.enter(user('flood'))
  flow.enter(user('flood'))
  expect(() => flow.enter(user('flood'))).toThrow(
    expect.objectContaining({ code: 429, details: { retryAfterSeconds: 1 } }),
  )
  flow.enter(user('other'))
  leave()
  leave()
  flow.enter(user('flood'))
  flow.enter(user('third'))
  expect(() => flow.enter(user('fourth'))).toThrow('too many requests')
})

test('administrators and kubelets are never refused', () => {
  const flow = createFlowControl({ totalSeats: 0, seatsPerUser: 0 })
  expect(() => flow.enter(user('admin', 'system:masters'))).not.toThrow()
  expect(() => flow.enter(user('system:node:a', 'system:nodes'))).not.toThrow()
  expect(() => flow.enter(user('me'))).toThrow()
})
