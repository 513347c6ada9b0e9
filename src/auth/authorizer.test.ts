import { beforeEach, describe, expect, test } from 'vitest'
import type { AccessRequest } from '../api/authorizer.ts'
import type { PolicyRule, RbacV1Subject, UserInfo } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { fakeInformers, type FakeInformers } from '../client/fake-informers.ts'
import { reviewAccess, reviewRules } from './access-reviews.ts'
import { createAuthorization, type Authorization } from './authorizer.ts'
import { requireAccess } from './forbidden.ts'
import { bootstrapClusterRoleBindings, bootstrapClusterRoles } from './policy/bootstrap-policy.ts'
import { rbacRefs } from './rbac/rule-resolver.ts'
import { anonymous, type User } from './user.ts'

const apiVersion = 'rbac.authorization.k8s.io/v1'
let informers: FakeInformers
let auth: Authorization

const person = (username: string, ...groups: string[]): User => ({
  username,
  groups: [...groups, 'system:authenticated'],
  extra: {},
})
const userSubject = (name: string): RbacV1Subject => ({ kind: 'User', name, apiGroup: 'rbac.authorization.k8s.io' })

function bind(namespace: string, name: string, roleKind: string, role: string, subjects: RbacV1Subject[]): void {
  informers.put(namespace ? rbacRefs.roleBindings : rbacRefs.clusterRoleBindings, {
    apiVersion,
    kind: namespace ? 'RoleBinding' : 'ClusterRoleBinding',
    metadata: { name, ...(namespace ? { namespace } : {}) },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: roleKind, name: role },
    subjects,
  } as never)
}

function role(namespace: string, name: string, rules: PolicyRule[], labels?: Record<string, string>): void {
  informers.put(namespace ? rbacRefs.roles : rbacRefs.clusterRoles, {
    apiVersion,
    kind: namespace ? 'Role' : 'ClusterRole',
    metadata: { name, labels, ...(namespace ? { namespace } : {}) },
    rules,
  } as never)
}

const on = (user: UserInfo, verb: string, resource: string, rest: Partial<AccessRequest> = {}): AccessRequest => {
  const [name = '', subresource = ''] = resource.split('/')
  return { user, verb, group: '', version: 'v1', resource: name, subresource, namespace: 'shop', name: '', ...rest }
}
const allows = (request: AccessRequest): boolean => auth.authorize(request).verdict === 'allow'

beforeEach(() => {
  informers = fakeInformers()
  for (const one of bootstrapClusterRoles) informers.put(rbacRefs.clusterRoles, one)
  for (const one of bootstrapClusterRoleBindings) informers.put(rbacRefs.clusterRoleBindings, one)
  auth = createAuthorization(informers)
})

describe('RBAC', () => {
  test('grants what a role grants, in its namespace only, as soon as it is bound and as long', () => {
    role('shop', 'reader', [{ apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] }])
    const jane = person('jane')
    expect(allows(on(jane, 'get', 'pods'))).toBe(false)
    bind('shop', 'r', 'Role', 'reader', [userSubject('jane')])
    expect(allows(on(jane, 'get', 'pods'))).toBe(true)
    expect(allows(on(jane, 'get', 'pods/log'))).toBe(true)
    expect(allows(on(jane, 'get', 'pods/exec'))).toBe(false)
    expect(allows(on(jane, 'delete', 'pods'))).toBe(false)
    expect(allows(on(jane, 'get', 'pods', { namespace: 'other' }))).toBe(false)
    expect(allows(on(jane, 'get', 'pods', { namespace: '' }))).toBe(false)
    bind('shop', 'r', 'Role', 'reader', [userSubject('joe')])
    expect(allows(on(jane, 'get', 'pods'))).toBe(false)
    expect(allows(on(person('joe'), 'get', 'pods'))).toBe(true)
    informers.remove(rbacRefs.roleBindings, 'shop', 'r')
    expect(allows(on(person('joe'), 'get', 'pods'))).toBe(false)
  })

  test.each<[string, PolicyRule, Partial<AccessRequest> & { verb: string }, boolean]>([
    ['any verb', { apiGroups: [''], resources: ['pods'], verbs: ['*'] }, { verb: 'get', resource: 'pods' }, true],
    [
      'any group',
      { apiGroups: ['*'], resources: ['jobs'], verbs: ['get'] },
      { verb: 'get', group: 'batch', resource: 'jobs' },
      true,
    ],
    [
      '* means subresources too',
      { apiGroups: [''], resources: ['*'], verbs: ['get'] },
      { verb: 'get', resource: 'pods', subresource: 'log' },
      true,
    ],
    [
      '*/scale',
      { apiGroups: ['*'], resources: ['*/scale'], verbs: ['get'] },
      { verb: 'get', group: 'apps', resource: 'deployments', subresource: 'scale' },
      true,
    ],
    [
      '*/scale is not the resource',
      { apiGroups: ['*'], resources: ['*/scale'], verbs: ['get'] },
      { verb: 'get', group: 'apps', resource: 'deployments' },
      false,
    ],
    [
      'by name',
      { apiGroups: [''], resources: ['pods'], resourceNames: ['a'], verbs: ['get'] },
      { verb: 'get', resource: 'pods', name: 'a' },
      true,
    ],
    [
      'by another name',
      { apiGroups: [''], resources: ['pods'], resourceNames: ['a'], verbs: ['get'] },
      { verb: 'get', resource: 'pods', name: 'b' },
      false,
    ],
    [
      'names grant no list',
      { apiGroups: [''], resources: ['pods'], resourceNames: ['a'], verbs: ['list'] },
      { verb: 'list', resource: 'pods' },
      false,
    ],
    ['path prefix', { nonResourceURLs: ['/logs/*'], verbs: ['get'] }, { verb: 'get', path: '/logs/a' }, true],
    ['other path', { nonResourceURLs: ['/logs/*'], verbs: ['get'] }, { verb: 'get', path: '/log' }, false],
  ])('rule: %s', (_, rule, request, expected) => {
    role('', 'r', [rule])
    bind('', 'b', 'ClusterRole', 'r', [userSubject('jane')])
    const base = request.path === undefined ? { group: '', namespace: 'shop', name: '', subresource: '' } : {}
    expect(allows({ user: person('jane'), ...base, ...request })).toBe(expected)
  })

  test('service accounts and groups are subjects', () => {
    role('', 'r', [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }])
    bind('shop', 'b', 'ClusterRole', 'r', [{ kind: 'ServiceAccount', name: 'web', namespace: 'infra' }])
    expect(allows(on(person('system:serviceaccount:infra:web'), 'get', 'pods'))).toBe(true)
    expect(allows(on(person('system:serviceaccount:shop:web'), 'get', 'pods'))).toBe(false)
    bind('shop', 'g', 'ClusterRole', 'r', [{ kind: 'Group', name: 'ops' }])
    expect(auth.authorize(on(person('x', 'ops'), 'get', 'pods')).reason).toBe(
      'RBAC: allowed by RoleBinding "g/shop" of ClusterRole "r" to Group "ops"',
    )
  })

  test('edit contains view by aggregation, and what others label for it', () => {
    bind('shop', 'e', 'ClusterRole', 'edit', [userSubject('eve')])
    const eve = person('eve')
    expect(allows(on(eve, 'list', 'pods'))).toBe(true)
    expect(allows(on(eve, 'create', 'deployments', { group: 'apps' }))).toBe(true)
    expect(allows(on(eve, 'create', 'roles', { group: rbacRefs.roles.group }))).toBe(false)
    expect(allows(on(eve, 'get', 'crontabs', { group: 'example.com' }))).toBe(false)
    role('', 'crontab-viewer', [{ apiGroups: ['example.com'], resources: ['crontabs'], verbs: ['get'] }], {
      'rbac.authorization.k8s.io/aggregate-to-view': 'true',
    })
    expect(allows(on(eve, 'get', 'crontabs', { group: 'example.com' }))).toBe(true)
    expect(allows(on(eve, 'patch', 'crontabs', { group: 'example.com' }))).toBe(false)
    role('', 'crontab-editor', [{ apiGroups: ['example.com'], resources: ['crontabs'], verbs: ['patch'] }], {
      'rbac.authorization.k8s.io/aggregate-to-edit': 'true',
    })
    expect(allows(on(eve, 'patch', 'crontabs', { group: 'example.com' }))).toBe(true)
  })

  test('a binding to a role that is not there says so', () => {
    bind('', 'b', 'ClusterRole', 'ghost', [userSubject('jane')])
    expect(auth.authorize(on(person('jane'), 'get', 'pods'))).toMatchObject({
      verdict: 'no-opinion',
      evaluationError: 'clusterrole.rbac.authorization.k8s.io "ghost" not found',
    })
  })
})

describe('refusals', () => {
  test.each<[AccessRequest, string]>([
    [
      on(person('x'), 'list', 'pods'),
      'pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "shop"',
    ],
    [
      on(person('x'), 'get', 'deployments/scale', { group: 'apps', name: 'web' }),
      'deployments.apps "web" is forbidden: User "x" cannot get resource "deployments/scale" in API group "apps" in the namespace "shop"',
    ],
    [
      on(person('x'), 'list', 'nodes', { namespace: '' }),
      'nodes is forbidden: User "x" cannot list resource "nodes" in API group "" at the cluster scope',
    ],
    [{ user: person('x'), verb: 'get', path: '/metrics' }, 'forbidden: User "x" cannot get path "/metrics"'],
  ])('%#', (request, message) => {
    expect(() => requireAccess(auth.authorize, request)).toThrow(expect.objectContaining({ code: 403, message }))
  })

  test('strangers get 401, save for health and version', () => {
    expect(() => requireAccess(auth.authorize, on(anonymous, 'list', 'pods'))).toThrow(
      expect.objectContaining({ code: 401 }),
    )
    for (const path of ['/healthz', '/livez', '/readyz', '/version']) {
      requireAccess(auth.authorize, { user: anonymous, verb: 'get', path })
    }
    expect(() => requireAccess(auth.authorize, { user: anonymous, verb: 'get', path: '/api' })).toThrow(
      expect.objectContaining({ code: 401 }),
    )
  })
})

describe('escalation', () => {
  const write = (user: UserInfo, resource: keyof typeof rbacRefs, object: object, oldObject?: object) =>
    auth.escalationCheck.validates({
      operation: oldObject ? 'UPDATE' : 'CREATE',
      ref: rbacRefs[resource],
      subresource: '',
      namespace: resource.startsWith('cluster') ? '' : 'shop',
      name: 'r',
      object: object as never,
      oldObject: oldObject as never,
      user,
    })
  const rules = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'delete'] }]

  test('nobody grants what they do not hold, and the message lists what is missing', () => {
    bind('shop', 'a', 'ClusterRole', 'view', [userSubject('bob')])
    expect(() => write(person('bob', 'dev'), 'roles', { rules })).toThrow(
      expect.objectContaining({
        code: 403,
        message: `roles.rbac.authorization.k8s.io "r" is forbidden: user "bob" (groups=["dev" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}`,
      }),
    )
    write(person('bob'), 'roles', { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }] })
    write(person('bob'), 'roles', { rules, metadata: { labels: { a: 'b' } } }, { rules })
    write(person('root', 'system:masters'), 'clusterRoles', { rules })
  })

  test('escalate and bind lift it', () => {
    role('', 'escalator', [{ apiGroups: [rbacRefs.roles.group], resources: ['roles'], verbs: ['escalate'] }])
    bind('shop', 'a', 'ClusterRole', 'escalator', [userSubject('bob')])
    write(person('bob'), 'roles', { rules })
    const binding = { roleRef: { kind: 'ClusterRole', name: 'cluster-admin' }, subjects: [] }
    expect(() => write(person('bob'), 'roleBindings', binding)).toThrow('permissions not currently held')
    role('', 'binder', [
      {
        apiGroups: [rbacRefs.roles.group],
        resources: ['clusterroles'],
        resourceNames: ['cluster-admin'],
        verbs: ['bind'],
      },
    ])
    bind('shop', 'b', 'ClusterRole', 'binder', [userSubject('bob')])
    write(person('bob'), 'roleBindings', binding)
  })

  test('aggregation needs everything, a binding needs its role to be there', () => {
    bind('', 'a', 'ClusterRole', 'view', [userSubject('bob')])
    expect(() => write(person('bob'), 'clusterRoles', { aggregationRule: { clusterRoleSelectors: [{}] } })).toThrow(
      '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}',
    )
    expect(() =>
      write(person('bob'), 'roleBindings', { roleRef: { kind: 'Role', name: 'ghost' }, subjects: [] }),
    ).toThrow('role.rbac.authorization.k8s.io "ghost" not found')
  })
})

describe('node authorizer', () => {
  const node = person('system:node:n1', 'system:nodes')
  beforeEach(() => {
    informers.put(refs.pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'shop', name: 'web-0', uid: 'p' },
      spec: {
        nodeName: 'n1',
        serviceAccountName: 'web',
        containers: [{ name: 'c', envFrom: [{ secretRef: { name: 'env' } }] }],
        volumes: [
          { name: 'v', persistentVolumeClaim: { claimName: 'data' } },
          { name: 'k', projected: { sources: [{ configMap: { name: 'ca' } }] } },
        ],
      },
    } as never)
    informers.put(refs.persistentVolumeClaims, {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { namespace: 'shop', name: 'data' },
      spec: { volumeName: 'pv-1' },
    } as never)
  })

  const nodeLease = { group: 'coordination.k8s.io', namespace: 'kube-node-lease' }
  const onNode = { key: 'spec.nodeName', operator: 'In', values: ['n1'] }
  test.each<[boolean, string, string, Partial<AccessRequest>]>([
    [true, 'get', 'secrets', { name: 'env' }],
    [false, 'get', 'secrets', { name: 'other' }],
    [false, 'get', 'secrets', { name: 'env', namespace: 'other' }],
    [false, 'list', 'secrets', {}],
    [false, 'update', 'secrets', { name: 'env' }],
    [true, 'get', 'configmaps', { name: 'ca' }],
    [true, 'get', 'persistentvolumes', { name: 'pv-1', namespace: '' }],
    [false, 'get', 'persistentvolumes', { name: 'pv-2', namespace: '' }],
    [true, 'create', 'serviceaccounts/token', { name: 'web' }],
    [false, 'create', 'serviceaccounts/token', { name: 'default' }],
    [true, 'patch', 'nodes/status', { name: 'n1', namespace: '' }],
    [false, 'patch', 'nodes/status', { name: 'n2', namespace: '' }],
    [true, 'update', 'leases', { ...nodeLease, name: 'n1' }],
    [false, 'update', 'leases', { ...nodeLease, name: 'n2' }],
    [false, 'update', 'leases', { group: 'coordination.k8s.io', namespace: 'kube-system', name: 'n1' }],
    [true, 'list', 'pods', { namespace: '', fieldSelector: [onNode] }],
    [false, 'list', 'pods', { namespace: '' }],
    [true, 'get', 'pods', { name: 'web-0' }],
    [true, 'list', 'services', { namespace: '' }],
    [false, 'create', 'deployments', { group: 'apps' }],
  ])('%s: %s %s %j', (expected, verb, resource, rest) => {
    expect(allows(on(node, verb, resource, rest))).toBe(expected)
  })

  test('forgets a pod that moved, and is not fooled by a name without the group', () => {
    expect(allows(on(person('system:node:n1'), 'get', 'secrets', { name: 'env' }))).toBe(false)
    informers.remove(refs.pods, 'shop', 'web-0')
    expect(allows(on(node, 'get', 'secrets', { name: 'env' }))).toBe(false)
  })
})

test('reviews answer with the reason', () => {
  expect(
    reviewAccess(auth.authorize, person('jane'), { nonResourceAttributes: { verb: 'get', path: '/version' } }),
  ).toMatchObject({ allowed: true, reason: expect.stringContaining('RBAC: allowed by ClusterRoleBinding') })
  expect(
    reviewAccess(auth.authorize, person('jane'), { resourceAttributes: { verb: 'get', resource: 'pods' } }),
  ).toEqual({ allowed: false })
  const rules = reviewRules(auth.resolver, person('jane'), 'shop')
  expect(rules.incomplete).toBe(false)
  expect(rules.resourceRules).toContainEqual({
    apiGroups: ['authorization.k8s.io'],
    resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
    verbs: ['create'],
  })
})

test('the bootstrap policy names each role once, and binds only roles that are there', () => {
  const names = bootstrapClusterRoles.map((one) => one.metadata.name)
  expect(new Set(names).size).toBe(names.length)
  for (const { roleRef } of bootstrapClusterRoleBindings) expect(names).toContain(roleRef.name)
})
