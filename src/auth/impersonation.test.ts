import { expect, test } from 'vitest'
import type { Authorize } from '../api/authorizer.ts'
import { impersonate, impersonationRequest } from './impersonation.ts'
import type { User } from './user.ts'

const jane: User = { username: 'jane', groups: ['system:authenticated'], extra: {} }
const on = (verb: string, resource: string) => ({ verb, group: '', version: 'v1', resource, namespace: 'shop' })
const list = on('list', 'pods')

/** Allows what is named as `<verb> <group>/<resource>[/<subresource>]`. */
const allowing =
  (...grants: string[]): Authorize =>
  ({ verb, group, resource, subresource }) => {
    const asked = `${verb} ${group}/${resource}${subresource ? `/${subresource}` : ''}`
    return { verdict: grants.includes(asked) ? 'allow' : 'no-opinion', reason: '' }
  }

test('takes the verb on every part', () => {
  const wanted = impersonationRequest({
    'impersonate-user': 'bob',
    'impersonate-group': 'dev,ops',
    'impersonate-extra-scopes': 'a',
  })!
  const grants = ['impersonate /users', 'impersonate /groups', 'impersonate authentication.k8s.io/userextras/scopes']
  expect(() => impersonate(jane, wanted, allowing(...grants.slice(1)), list)).toThrow(
    'users "bob" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope',
  )
  for (const missing of grants)
    expect(() => impersonate(jane, wanted, allowing(...grants.filter((one) => one !== missing)), list)).toThrow()
  expect(impersonate(jane, wanted, allowing(...grants), list)).toEqual({
    user: { username: 'bob', groups: ['dev', 'ops', 'system:authenticated'], extra: { scopes: ['a'] } },
  })
})

test('a service account brings its groups', () => {
  const wanted = impersonationRequest({ 'impersonate-user': 'system:serviceaccount:shop:web' })!
  expect(impersonate(jane, wanted, allowing('impersonate /serviceaccounts'), list).user.groups).toEqual([
    'system:serviceaccounts',
    'system:serviceaccounts:shop',
    'system:authenticated',
  ])
})

test('can be granted for certain requests only', () => {
  const wanted = impersonationRequest({ 'impersonate-user': 'bob' })!
  const identity = 'impersonate:user-info authentication.k8s.io/users'
  const action = 'impersonate-on:user-info:list /pods'
  for (const one of [identity, action])
    expect(() => impersonate(jane, wanted, allowing(one), list)).toThrow('cannot impersonate')
  const authorize = allowing(identity, action)
  expect(impersonate(jane, wanted, authorize, list)).toEqual({
    user: { username: 'bob', groups: ['system:authenticated'], extra: {} },
    constraint: 'impersonate:user-info',
  })
  for (const other of [on('watch', 'pods'), on('list', 'secrets')])
    expect(() => impersonate(jane, wanted, authorize, other)).toThrow('cannot impersonate')
  const account = impersonationRequest({ 'impersonate-user': 'system:serviceaccount:shop:web' })!
  expect(() => impersonate(jane, account, authorize, list)).toThrow('cannot impersonate')
})

test('of the node that one runs on is a grant of its own', () => {
  const agent = (node: string): User => ({
    ...jane,
    username: 'system:serviceaccount:shop:agent',
    extra: { 'authentication.kubernetes.io/node-name': [node] },
  })
  const wanted = impersonationRequest({ 'impersonate-user': 'system:node:n1' })!
  const authorize = allowing(
    'impersonate:associated-node authentication.k8s.io/nodes',
    'impersonate-on:associated-node:list /pods',
  )
  expect(impersonate(agent('n1'), wanted, authorize, list)).toMatchObject({
    user: { username: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] },
    constraint: 'impersonate:associated-node',
  })
  expect(() => impersonate(agent('n2'), wanted, authorize, list)).toThrow('cannot impersonate')
})

test('groups without a user are refused, no header is no impersonation', () => {
  expect(() => impersonationRequest({ 'impersonate-group': 'x' })).toThrow('without impersonating a user')
  expect(impersonationRequest({})).toBeUndefined()
})
