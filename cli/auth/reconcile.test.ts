import { describe, expect, it } from 'vitest'
import type { ClusterRole, RoleBinding } from '../../src/api/kinds.ts'
import { reconcileBinding, reconcileRole } from './reconcile.ts'

const rule = (verbs: string[], resources = ['pods']) => ({ apiGroups: [''], resources, verbs })
const role = (...rules: ClusterRole['rules'] & object): ClusterRole => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'reader' },
  rules,
})
const subject = (name: string) => ({ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name })
const binding = (to: string, ...names: string[]): RoleBinding => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: { name: 'readers' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: to },
  subjects: names.map(subject),
})

describe('reconciling a role', () => {
  it.each([
    ['is not there', undefined, role(rule(['get'])), false, 'create', [rule(['get'])]],
    [
      'grants all that is wanted',
      role(rule(['get', 'list'])),
      role(rule(['get'])),
      false,
      'none',
      [rule(['get', 'list'])],
    ],
    [
      'lacks a verb',
      role(rule(['get'])),
      role(rule(['get', 'list'])),
      false,
      'update',
      [rule(['get']), rule(['list'])],
    ],
    ['grants too much', role(rule(['get', 'list'])), role(rule(['get'])), true, 'update', [rule(['get'])]],
    ['grants it by a wildcard', role(rule(['*'], ['*'])), role(rule(['get'])), false, 'none', [rule(['*'], ['*'])]],
  ] as const)('that %s', (_, live, wanted, removeExtra, operation, rules) => {
    const found = reconcileRole(live, wanted, removeExtra)
    expect(found.operation).toBe(operation)
    expect((found.object as ClusterRole).rules).toEqual(rules)
  })
})

describe('reconciling a binding', () => {
  it.each([
    ['is not there', undefined, binding('a', 'ann'), false, 'create', ['ann']],
    ['has all subjects', binding('a', 'ann', 'bob'), binding('a', 'ann'), false, 'none', ['ann', 'bob']],
    ['lacks one', binding('a', 'ann'), binding('a', 'bob'), false, 'update', ['ann', 'bob']],
    ['has one too many', binding('a', 'ann', 'bob'), binding('a', 'ann'), true, 'update', ['ann']],
    ['is for another role', binding('a', 'ann'), binding('b', 'ann'), false, 'recreate', ['ann']],
  ] as const)('that %s', (_, live, wanted, removeExtra, operation, names) => {
    const { operation: done, object } = reconcileBinding(live, wanted, removeExtra)
    expect(done).toBe(operation)
    expect((object as RoleBinding).subjects?.map(({ name }) => name)).toEqual(names)
    expect((object as RoleBinding).roleRef).toEqual(wanted.roleRef)
  })
})
