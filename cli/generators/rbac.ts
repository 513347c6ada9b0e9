import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from '../../src/api/kinds.ts'
import { type Invocation, option, type OptionDefinition, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { type ApiResource, discover, findResource } from '../discovery.ts'
import { parsePairs } from '../key-values.ts'
import type { CreateTarget } from '../create-object.ts'
import type { Generator } from './generator.ts'

const group = 'rbac.authorization.k8s.io'
const apiVersion = `${group}/v1`

const target = (resource: string, singular: string, namespaced: boolean): CreateTarget => ({
  group,
  version: 'v1',
  resource,
  singular,
  namespaced,
})

const ruleOptions: readonly OptionDefinition[] = [
  { flags: '--verb <verbs>', summary: 'what is allowed, for example get,list', repeatable: true },
  { flags: '--resource <resources>', summary: 'on what: pods, deployments.apps, pods/log', repeatable: true },
  { flags: '--resource-name <name>', summary: 'only on objects of this name', repeatable: true },
]

const listed = (invocation: Invocation, name: string): string[] =>
  option.list(invocation, name).flatMap((one) => one.split(',').filter((part) => part !== ''))

/** One rule a group: the server is asked which group and plural a name stands for. */
async function resourceRules(invocation: Invocation): Promise<PolicyRule[]> {
  const verbs = [...new Set(listed(invocation, 'verb'))]
  if (verbs.length === 0) throw new UsageError('at least one verb must be specified')
  const names = listed(invocation, 'resource')
  if (names.length === 0) return []
  const resources = await withClient(invocation, discover)
  const resourceNames = listed(invocation, 'resourceName')
  const groups = Map.groupBy(
    names.map((name) => resolve(resources, name)),
    (one) => one.group,
  )
  return [...groups].map(([apiGroup, own]) => ({
    apiGroups: [apiGroup],
    resources: [...new Set(own.map(({ resource }) => resource))],
    verbs: verbs.includes('*') ? ['*'] : verbs,
    ...(resourceNames.length > 0 ? { resourceNames } : {}),
  }))
}

function resolve(resources: readonly ApiResource[], text: string): { group: string; resource: string } {
  const [name = '', ...subresource] = text.split('/')
  if (name === '*') return { group: '', resource: text }
  const found = findResource(resources, name)
  return { group: found.group, resource: [found.resource, ...subresource].join('/') }
}

export const roleGenerator: Generator = {
  name: 'role',
  failure: null,
  arguments: '<name>',
  summary: 'What is allowed in a namespace',
  options: ruleOptions,
  target: target('roles', 'role', true),
  async build(invocation): Promise<Role> {
    const rules = await resourceRules(invocation)
    if (rules.length === 0) throw new UsageError('at least one resource must be specified')
    return { apiVersion, kind: 'Role', metadata: { name: invocation.args[0] ?? '' }, rules }
  },
}

export const clusterRoleGenerator: Generator = {
  name: 'clusterrole',
  failure: null,
  arguments: '<name>',
  summary: 'What is allowed in the whole cluster',
  options: [
    ...ruleOptions,
    { flags: '--non-resource-url <path>', summary: 'a path such as /metrics', repeatable: true },
    { flags: '--aggregation-rule <key=value,...>', summary: 'the rules of all cluster roles with these labels' },
  ],
  target: target('clusterroles', 'clusterrole', false),
  async build(invocation): Promise<ClusterRole> {
    const metadata = { name: invocation.args[0] ?? '' }
    const aggregation = option.text(invocation, 'aggregationRule')
    if (aggregation !== undefined) {
      if (listed(invocation, 'verb').length + listed(invocation, 'resource').length > 0)
        throw new UsageError('aggregation rule must be specified without other rules')
      const clusterRoleSelectors = [{ matchLabels: parsePairs([aggregation], 'aggregation-rule') }]
      return { apiVersion, kind: 'ClusterRole', metadata, aggregationRule: { clusterRoleSelectors }, rules: [] }
    }
    const urls = listed(invocation, 'nonResourceUrl')
    const rules = await resourceRules(invocation)
    if (rules.length === 0 && urls.length === 0)
      throw new UsageError('one of resource or nonResourceURL must be specified')
    const urlRules = urls.length > 0 ? [{ nonResourceURLs: urls, verbs: [...new Set(listed(invocation, 'verb'))] }] : []
    return { apiVersion, kind: 'ClusterRole', metadata, rules: [...rules, ...urlRules] }
  },
}

const subjectOptions: readonly OptionDefinition[] = [
  { flags: '--user <name>', summary: 'a user', repeatable: true },
  { flags: '--group <name>', summary: 'a group', repeatable: true },
  { flags: '--serviceaccount <namespace:name>', summary: 'a service account', repeatable: true },
]

function subjects(invocation: Invocation): NonNullable<RoleBinding['subjects']> {
  return [
    ...listed(invocation, 'user').map((name) => ({ kind: 'User', apiGroup: group, name })),
    ...listed(invocation, 'group').map((name) => ({ kind: 'Group', apiGroup: group, name })),
    ...listed(invocation, 'serviceaccount').map((text) => {
      const [namespace, name, ...rest] = text.split(':')
      if (!namespace || !name || rest.length > 0) throw new UsageError('serviceaccount must be <namespace>:<name>')
      return { kind: 'ServiceAccount', name, namespace }
    }),
  ]
}

export const roleBindingGenerator: Generator = {
  name: 'rolebinding',
  arguments: '<name>',
  summary: 'Who has a role in a namespace',
  options: [
    { flags: '--role <name>', summary: 'a role of the namespace' },
    { flags: '--clusterrole <name>', summary: 'a cluster role' },
    ...subjectOptions,
  ],
  target: target('rolebindings', 'rolebinding', true),
  build(invocation): RoleBinding {
    const role = option.text(invocation, 'role')
    const clusterRole = option.text(invocation, 'clusterrole')
    if ((role === undefined) === (clusterRole === undefined))
      throw new UsageError('exactly one of clusterrole or role must be specified')
    return {
      apiVersion,
      kind: 'RoleBinding',
      metadata: { name: invocation.args[0] ?? '' },
      roleRef: { apiGroup: group, kind: role ? 'Role' : 'ClusterRole', name: role ?? clusterRole ?? '' },
      subjects: subjects(invocation),
    }
  },
}

export const clusterRoleBindingGenerator: Generator = {
  name: 'clusterrolebinding',
  arguments: '<name>',
  summary: 'Who has a role in the whole cluster',
  options: [{ flags: '--clusterrole <name>', summary: 'the role' }, ...subjectOptions],
  target: target('clusterrolebindings', 'clusterrolebinding', false),
  build(invocation): ClusterRoleBinding {
    const clusterRole = option.text(invocation, 'clusterrole')
    if (!clusterRole) throw new UsageError('required flag(s) "clusterrole" not set')
    return {
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata: { name: invocation.args[0] ?? '' },
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: clusterRole },
      subjects: subjects(invocation),
    }
  },
}
