import type { LimitRange, ResourceQuota } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { compareQuantity, parseQuantity, quantityError } from '../../lib/quantity.ts'
import { ageColumn, column, defaultColumns, nameColumn } from '../columns.ts'
import { qualifiedName } from '../meta/names.ts'
import { immutable, invalidEach, oneOf } from '../meta/validate.ts'
import { traits } from '../traits.ts'
import { validateQuantity } from './pod/validate-resources.ts'

/** `cpu: 1/2, memory: 1Gi/4Gi` of the limits, or of everything else. */
function usage({ status }: ResourceQuota, isLimit: boolean): string {
  return Object.keys(status?.hard ?? {})
    .filter((name) => name.startsWith('limits.') === isLimit)
    .toSorted()
    .map((name) => `${name}: ${status?.used?.[name] ?? '0'}/${status?.hard?.[name]}`)
    .join(', ')
}

const scopes = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
]
const contradictions = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const

const computeNames = ['cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory']
const claimNames = ['persistentvolumeclaims', 'requests.storage']
const storageNames = ['ephemeral-storage', 'limits.ephemeral-storage', 'requests.ephemeral-storage']
const countedNames = [
  'configmaps',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
  'services.loadbalancers',
  'services.nodeports',
]
const standardNames = new Set(['pods', ...computeNames, ...claimNames, ...storageNames, ...countedNames])

/** A scope says which pods (or claims) count; it means nothing to a standard resource that neither has. */
function isForeignScope(scope: string, names: readonly string[]): boolean {
  let allowed = ['pods', ...computeNames]
  if (scope === 'BestEffort') allowed = ['pods']
  if (scope === 'VolumeAttributesClass') allowed = claimNames
  return names.some((name) => standardNames.has(name) && !allowed.includes(name))
}

function validateQuota({ spec = {} }: ResourceQuota): FieldError[] {
  const wrong: FieldError[] = []
  for (const [name, quantity] of Object.entries(spec.hard ?? {})) {
    const at = `spec.hard[${name}]`
    wrong.push(...invalidEach(at, name, qualifiedName(name)), ...validateQuantity(name, quantity, at))
  }
  for (const [index, scope] of (spec.scopes ?? []).entries())
    wrong.push(...oneOf(`spec.scopes[${index}]`, scope, scopes))
  const selected = (spec.scopeSelector?.matchExpressions ?? []).map(({ scopeName }) => scopeName)
  for (const [at, given] of [
    ['spec.scopes', spec.scopes ?? []],
    ['spec.scopeSelector.matchExpressions', selected],
  ] as const) {
    if (!given.some((scope) => isForeignScope(scope, Object.keys(spec.hard ?? {})))) continue
    wrong.push(fieldErrors.invalid(at, given, 'unsupported scope applied to resource'))
  }
  for (const [one, other] of contradictions) {
    if (spec.scopes?.includes(one) && spec.scopes.includes(other)) {
      wrong.push(fieldErrors.invalid('spec.scopes', spec.scopes, 'conflicting scopes'))
    }
  }
  for (const [index, { scopeName, operator, values }] of (spec.scopeSelector?.matchExpressions ?? []).entries()) {
    const at = `spec.scopeSelector.matchExpressions[${index}]`
    wrong.push(
      ...oneOf(`${at}.scopeName`, scopeName, scopes),
      ...oneOf(`${at}.operator`, operator, ['DoesNotExist', 'Exists', 'In', 'NotIn']),
    )
    const wantsValues = operator === 'In' || operator === 'NotIn'
    if (wantsValues && !values?.length) {
      wrong.push(
        fieldErrors.required(
          `${at}.values`,
          "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        ),
      )
    } else if (!wantsValues && values?.length) {
      wrong.push(
        fieldErrors.invalid(
          `${at}.values`,
          values,
          "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        ),
      )
    }
  }
  return wrong
}

export const resourceQuotaTraits = traits<ResourceQuota>({
  group: '',
  resource: 'resourcequotas',
  shortNames: ['quota'],
  columns: [
    nameColumn,
    column<ResourceQuota>('Request', (quota) => usage(quota, false)),
    column<ResourceQuota>('Limit', (quota) => usage(quota, true)),
    ageColumn,
  ],
  strategy: {
    validate: validateQuota,
    validateUpdate: ({ spec }, old) => immutable('spec.scopes', spec?.scopes?.toSorted(), old.spec?.scopes?.toSorted()),
  },
})

type Limit = NonNullable<LimitRange['spec']>['limits'][number]

/** What follows from what is written: a default limit is at most the maximum, a default request the default limit. */
function defaultLimit(limit: Limit): void {
  if (limit.type !== 'Container') return
  limit.default = { ...limit.max, ...limit.default }
  limit.defaultRequest = { ...limit.min, ...limit.default, ...limit.defaultRequest }
  for (const field of ['default', 'defaultRequest'] as const) {
    if (Object.keys(limit[field] ?? {}).length === 0) delete limit[field]
  }
}

const amounts = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const

function validateLimit(limit: Limit, path: string): FieldError[] {
  const wrong = invalidEach(`${path}.type`, limit.type, qualifiedName(limit.type ?? ''))
  for (const field of amounts) {
    for (const [name, quantity] of Object.entries(limit[field] ?? {})) {
      wrong.push(...validateQuantity(name, quantity, `${path}.${field}[${name}]`))
    }
    if (limit.type === 'Pod' && field.startsWith('default') && Object.keys(limit[field] ?? {}).length > 0) {
      wrong.push(fieldErrors.forbidden(`${path}.${field}`, "may not be specified when `type` is 'Pod'"))
    }
  }
  const order = (low: (typeof amounts)[number], high: (typeof amounts)[number], low2: string, high2: string) => {
    for (const [name, quantity] of Object.entries(limit[low] ?? {})) {
      const upper = limit[high]?.[name]
      if (upper === undefined || quantityError(quantity) || quantityError(upper)) continue
      if (compareQuantity(parseQuantity(quantity), parseQuantity(upper)) <= 0) continue
      wrong.push(
        fieldErrors.invalid(
          `${path}.${low}[${name}]`,
          quantity,
          `${low2} value ${quantity} is greater than ${high2} value ${upper}`,
        ),
      )
    }
  }
  order('min', 'max', 'min', 'max')
  order('defaultRequest', 'max', 'default request', 'max')
  order('defaultRequest', 'default', 'default request', 'default limit')
  order('default', 'max', 'default', 'max')
  order('min', 'defaultRequest', 'min', 'default request')
  order('min', 'default', 'min', 'default')
  return wrong
}

export const limitRangeTraits = traits<LimitRange>({
  group: '',
  resource: 'limitranges',
  shortNames: ['limits'],
  columns: defaultColumns,
  strategy: {
    applyDefaults({ spec }) {
      for (const limit of spec?.limits ?? []) defaultLimit(limit)
    },
    validate({ spec }) {
      const seen = new Set<string>()
      return (spec?.limits ?? []).flatMap((limit, index) => {
        const at = `spec.limits[${index}]`
        const repeated = seen.has(limit.type) ? [fieldErrors.duplicate(`${at}.type`, limit.type)] : []
        seen.add(limit.type)
        return [...repeated, ...validateLimit(limit, at)]
      })
    },
  },
})
