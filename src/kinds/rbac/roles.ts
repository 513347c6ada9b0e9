import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  RoleRef,
  RbacV1Subject as Subject,
} from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { ageColumn, column, defaultColumns, nameColumn, wide } from '../columns.ts'
import { dns1123Subdomain, pathSegment } from '../meta/names.ts'
import { invalidEach, sameValue, validateLabelSelector } from '../meta/validate.ts'
import { traits } from '../traits.ts'

const group = 'rbac.authorization.k8s.io'

function validateRules(rules: readonly PolicyRule[] | null | undefined, namespaced: boolean): FieldError[] {
  return (rules ?? []).flatMap((rule, index) => validateRule(rule, namespaced, `rules[${index}]`))
}

function validateRule(rule: PolicyRule, namespaced: boolean, path: string): FieldError[] {
  const wrong: FieldError[] = []
  if (!rule.verbs?.length) wrong.push(fieldErrors.required(`${path}.verbs`, 'verbs must contain at least one value'))
  if (rule.nonResourceURLs?.length) {
    if (namespaced) {
      wrong.push(
        fieldErrors.invalid(
          `${path}.nonResourceURLs`,
          rule.nonResourceURLs,
          'namespaced rules cannot apply to non-resource URLs',
        ),
      )
    }
    if (rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length) {
      wrong.push(
        fieldErrors.invalid(
          `${path}.nonResourceURLs`,
          rule.nonResourceURLs,
          'rules cannot apply to both regular resources and non-resource URLs',
        ),
      )
    }
    return wrong
  }
  if (!rule.apiGroups?.length)
    wrong.push(fieldErrors.required(`${path}.apiGroups`, 'resource rules must supply at least one api group'))
  if (!rule.resources?.length)
    wrong.push(fieldErrors.required(`${path}.resources`, 'resource rules must supply at least one resource'))
  return wrong
}

interface Binding {
  roleRef: RoleRef
  subjects?: Subject[] | null
}

function defaultBinding({ roleRef, subjects }: Binding): void {
  if (roleRef) roleRef.apiGroup ||= group
  for (const subject of subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= group
  }
}

function validateBinding({ roleRef, subjects }: Binding, roleKinds: readonly string[]): FieldError[] {
  const wrong: FieldError[] = []
  if (roleRef?.apiGroup !== group)
    wrong.push(fieldErrors.notSupported('roleRef.apiGroup', roleRef?.apiGroup ?? '', [group]))
  if (!roleKinds.includes(roleRef?.kind ?? ''))
    wrong.push(fieldErrors.notSupported('roleRef.kind', roleRef?.kind ?? '', roleKinds))
  if (!roleRef?.name) wrong.push(fieldErrors.required('roleRef.name'))
  else wrong.push(...invalidEach('roleRef.name', roleRef.name, pathSegment(roleRef.name)))
  for (const [index, subject] of (subjects ?? []).entries()) {
    wrong.push(...validateSubject(subject, `subjects[${index}]`))
  }
  return wrong
}

function validateSubject({ kind, name, namespace, apiGroup = '' }: Subject, path: string): FieldError[] {
  const wrong: FieldError[] = []
  if (!name) wrong.push(fieldErrors.required(`${path}.name`))
  switch (kind) {
    case 'ServiceAccount':
      if (name) wrong.push(...invalidEach(`${path}.name`, name, dns1123Subdomain(name)))
      if (apiGroup !== '') wrong.push(fieldErrors.notSupported(`${path}.apiGroup`, apiGroup, ['']))
      if (!namespace) wrong.push(fieldErrors.required(`${path}.namespace`))
      break
    case 'User':
    case 'Group':
      if (apiGroup !== group) wrong.push(fieldErrors.notSupported(`${path}.apiGroup`, apiGroup, [group]))
      break
    default:
      wrong.push(fieldErrors.notSupported(`${path}.kind`, kind ?? '', ['ServiceAccount', 'User', 'Group']))
  }
  return wrong
}

/** Who holds a binding was decided for one role: another role needs another binding. */
const validateBindingUpdate = (next: Binding, old: Binding): FieldError[] =>
  sameValue(next.roleRef, old.roleRef) ? [] : [fieldErrors.invalid('roleRef', next.roleRef, 'cannot change roleRef')]

function subjectsOf({ subjects }: Binding, kind: string): string {
  return (subjects ?? [])
    .filter((subject) => subject.kind === kind)
    .map(({ name, namespace }) => (kind === 'ServiceAccount' ? `${namespace}/${name}` : name))
    .join(', ')
}

const bindingColumns = [
  nameColumn,
  column<RoleBinding>('Role', ({ roleRef }) => `${roleRef?.kind}/${roleRef?.name}`),
  ageColumn,
  wide<RoleBinding>('Users', (binding) => subjectsOf(binding, 'User')),
  wide<RoleBinding>('Groups', (binding) => subjectsOf(binding, 'Group')),
  wide<RoleBinding>('ServiceAccounts', (binding) => subjectsOf(binding, 'ServiceAccount')),
]

export const roleTraits = traits<Role>({
  group,
  resource: 'roles',
  nameRule: pathSegment,
  columns: defaultColumns,
  strategy: { validate: ({ rules }) => validateRules(rules, true) },
})

export const clusterRoleTraits = traits<ClusterRole>({
  group,
  resource: 'clusterroles',
  nameRule: pathSegment,
  columns: defaultColumns,
  strategy: {
    validate: ({ rules, aggregationRule }) => [
      ...validateRules(rules, false),
      ...(aggregationRule && !aggregationRule.clusterRoleSelectors?.length
        ? [
            fieldErrors.required(
              'aggregationRule.clusterRoleSelectors',
              'at least one clusterRoleSelector required if aggregationRule is non-nil',
            ),
          ]
        : []),
      ...(aggregationRule?.clusterRoleSelectors ?? []).flatMap((selector, index) =>
        validateLabelSelector(selector, `aggregationRule.clusterRoleSelectors[${index}]`),
      ),
    ],
  },
})

export const roleBindingTraits = traits<RoleBinding>({
  group,
  resource: 'rolebindings',
  nameRule: pathSegment,
  columns: bindingColumns,
  strategy: {
    applyDefaults: defaultBinding,
    validate: (binding) => validateBinding(binding, ['Role', 'ClusterRole']),
    validateUpdate: validateBindingUpdate,
  },
})

export const clusterRoleBindingTraits = traits<ClusterRoleBinding>({
  group,
  resource: 'clusterrolebindings',
  nameRule: pathSegment,
  columns: bindingColumns,
  strategy: {
    applyDefaults: defaultBinding,
    validate: (binding) => validateBinding(binding, ['ClusterRole']),
    validateUpdate: validateBindingUpdate,
  },
})
