import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  Secret,
  ServiceAccount,
} from '../../../src/api/kinds.ts'
import { eventLines } from './events.ts'
import { type DescribeContext, goList, headLines } from './lines.ts'

export const describeRole = (role: Role | ClusterRole): string[] => [
  ...headLines(role, false),
  'PolicyRule:',
  '  Resources\tNon-Resource URLs\tResource Names\tVerbs',
  '  ---------\t-----------------\t--------------\t-----',
  ...compactRules(role.rules ?? []).map(
    (rule) =>
      `  ${resourceText(rule)}\t${goList(rule.nonResourceURLs)}\t${goList(rule.resourceNames)}\t${goList(rule.verbs)}`,
  ),
]

/**
 * Rules cut into one resource (or URL) each, the verbs of the same one joined, sorted by verbs, groups, resources,
 * names and URLs: two roles that allow the same look the same.
 */
export function compactRules(rules: readonly PolicyRule[]): PolicyRule[] {
  const simple = new Map<string, PolicyRule>()
  const others: PolicyRule[] = []
  for (const rule of rules) {
    for (const url of rule.nonResourceURLs ?? [])
      for (const verb of rule.verbs) others.push({ verbs: [verb], nonResourceURLs: [url] })
    for (const group of rule.apiGroups ?? [])
      for (const resource of rule.resources ?? [])
        for (const name of rule.resourceNames?.length ? rule.resourceNames : [undefined]) {
          const key = JSON.stringify([group, resource, name])
          const one = simple.get(key) ?? {
            verbs: [],
            apiGroups: [group],
            resources: [resource],
            ...(name === undefined ? {} : { resourceNames: [name] }),
          }
          simple.set(key, { ...one, verbs: [...one.verbs, ...rule.verbs] })
        }
  }
  return [...others, ...simple.values()].toSorted((a, b) => {
    const [x, y] = [sortKey(a), sortKey(b)]
    return x < y ? -1 : x > y ? 1 : 0
  })
}

const sortKey = (rule: PolicyRule): string =>
  [rule.verbs, rule.apiGroups, rule.resources, rule.resourceNames, rule.nonResourceURLs].map(goList).join(',')

/** `pods`, `deployments.apps/scale`; nothing for a rule on URLs. */
function resourceText({ resources = [], apiGroups = [] }: PolicyRule): string {
  const [resource, group] = [resources[0], apiGroups[0]]
  if (resource === undefined) return ''
  const [name = '', ...subresource] = resource.split('/')
  return [group ? `${name}.${group}` : name, ...subresource].join('/')
}

export const describeBinding = (binding: RoleBinding | ClusterRoleBinding): string[] => [
  ...headLines(binding, false),
  'Role:',
  `  Kind:\t${binding.roleRef.kind}`,
  `  Name:\t${binding.roleRef.name}`,
  'Subjects:',
  '  Kind\tName\tNamespace',
  '  ----\t----\t---------',
  ...(binding.subjects ?? []).map(({ kind, name, namespace = '' }) => `  ${kind}\t${name}\t${namespace}`),
]

export interface ServiceAccountContext extends DescribeContext {
  /** Of its namespace. */
  secrets: readonly Secret[]
}

export function describeServiceAccount(account: ServiceAccount, context: ServiceAccountContext): string[] {
  const { metadata } = account
  const existing = new Set(context.secrets.map((secret) => secret.metadata.name))
  const tokens = context.secrets
    .filter(
      ({ type, metadata: { annotations } }) =>
        type === 'kubernetes.io/service-account-token' &&
        annotations?.['kubernetes.io/service-account.name'] === metadata.name &&
        annotations?.['kubernetes.io/service-account.uid'] === metadata.uid,
    )
    .map((secret) => secret.metadata.name ?? '')
  const list = (title: string, names: readonly string[]): string[] =>
    names.length === 0
      ? [`${title}\t<none>`]
      : names.map((name, index) => {
          const head = index === 0 ? title : ' '.repeat(titleWidth)
          return `${head}\t${name}${existing.has(name) ? '' : ' (not found)'}`
        })
  return [
    ...headLines(account),
    ...list(
      'Image pull secrets:',
      (account.imagePullSecrets ?? []).map(({ name = '' }) => name),
    ),
    ...list(
      'Mountable secrets: ',
      (account.secrets ?? []).map(({ name = '' }) => name),
    ),
    ...list('Tokens:            ', tokens),
    ...eventLines(context),
  ]
}

const titleWidth = 'Image pull secrets:'.length
