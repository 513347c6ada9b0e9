import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhook,
  MutatingWebhookConfiguration,
  RuleWithOperations,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { ageColumn, column, count, nameColumn } from '../columns.ts'
import { dns1123Subdomain } from '../meta/names.ts'
import { invalidEach, oneOf, validateLabelSelector } from '../meta/validate.ts'
import { traits } from '../traits.ts'

const group = 'admissionregistration.k8s.io'
const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']
const maxTimeoutSeconds = 30

type Webhook = ValidatingWebhook | MutatingWebhook

function defaultWebhook(webhook: Webhook): void {
  webhook.failurePolicy ||= 'Fail'
  webhook.matchPolicy ||= 'Equivalent'
  webhook.namespaceSelector ??= {}
  webhook.objectSelector ??= {}
  webhook.timeoutSeconds ??= 10
  if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443
  for (const rule of webhook.rules ?? []) rule.scope ||= '*'
}

function validateWebhooks(webhooks: readonly Webhook[] | undefined): FieldError[] {
  const wrong: FieldError[] = []
  const names = new Set<string>()
  for (const [index, webhook] of (webhooks ?? []).entries()) {
    const at = `webhooks[${index}]`
    if (names.has(webhook.name)) wrong.push(fieldErrors.duplicate(`${at}.name`, webhook.name))
    names.add(webhook.name)
    wrong.push(...validateWebhook(webhook, at))
  }
  return wrong
}

function validateWebhook(webhook: Webhook, path: string): FieldError[] {
  const wrong: FieldError[] = []
  const { name = '', clientConfig, timeoutSeconds, sideEffects, admissionReviewVersions } = webhook
  if (name === '') wrong.push(fieldErrors.required(`${path}.name`))
  else {
    wrong.push(...invalidEach(`${path}.name`, name, dns1123Subdomain(name)))
    if (name.split('.').length < 3) {
      wrong.push(
        fieldErrors.invalid(`${path}.name`, name, 'should be a domain with at least three segments separated by dots'),
      )
    }
  }
  wrong.push(
    ...oneOf(`${path}.failurePolicy`, webhook.failurePolicy, ['Fail', 'Ignore'], false),
    ...oneOf(`${path}.matchPolicy`, webhook.matchPolicy, ['Equivalent', 'Exact'], false),
    ...oneOf(`${path}.sideEffects`, sideEffects, ['None', 'NoneOnDryRun']),
    ...validateLabelSelector(webhook.namespaceSelector, `${path}.namespaceSelector`),
    ...validateLabelSelector(webhook.objectSelector, `${path}.objectSelector`),
    ...validateRules(webhook.rules, `${path}.rules`),
  )
  if (!admissionReviewVersions?.length) {
    wrong.push(fieldErrors.required(`${path}.admissionReviewVersions`, 'must specify one of v1, v1beta1'))
  } else if (!admissionReviewVersions.some((version) => version === 'v1' || version === 'v1beta1')) {
    wrong.push(
      fieldErrors.invalid(
        `${path}.admissionReviewVersions`,
        admissionReviewVersions,
        'must include at least one of v1, v1beta1',
      ),
    )
  }
  if (timeoutSeconds !== undefined && (timeoutSeconds < 1 || timeoutSeconds > maxTimeoutSeconds)) {
    wrong.push(
      fieldErrors.invalid(
        `${path}.timeoutSeconds`,
        timeoutSeconds,
        `the timeout value must be between 1 and ${maxTimeoutSeconds} seconds`,
      ),
    )
  }
  const { url, service } = clientConfig ?? {}
  if ((url === undefined) === (service === undefined)) {
    wrong.push(fieldErrors.required(`${path}.clientConfig`, 'exactly one of url or service is required'))
  } else if (url !== undefined && !url.startsWith('https://')) {
    wrong.push(fieldErrors.invalid(`${path}.clientConfig.url`, url, "'https' is the only allowed URL scheme"))
  } else if (service && (!service.name || !service.namespace)) {
    wrong.push(fieldErrors.required(`${path}.clientConfig.service.${service.name ? 'namespace' : 'name'}`))
  }
  return wrong
}

function validateRules(rules: readonly RuleWithOperations[] | undefined, path: string): FieldError[] {
  const wrong: FieldError[] = []
  for (const [index, rule] of (rules ?? []).entries()) {
    const at = `${path}[${index}]`
    for (const field of ['operations', 'apiGroups', 'apiVersions', 'resources'] as const) {
      const values = rule[field] ?? []
      if (values.length === 0) wrong.push(fieldErrors.required(`${at}.${field}`))
      if (field !== 'resources' && values.length > 1 && values.includes('*')) {
        wrong.push(fieldErrors.invalid(`${at}.${field}`, values, "if '*' is present, must not specify other values"))
      }
    }
    for (const [position, operation] of (rule.operations ?? []).entries()) {
      wrong.push(...oneOf(`${at}.operations[${position}]`, operation, operations))
    }
    wrong.push(...oneOf(`${at}.scope`, rule.scope, ['*', 'Cluster', 'Namespaced'], false))
  }
  return wrong
}

type Configuration = ValidatingWebhookConfiguration | MutatingWebhookConfiguration

const webhookColumns = [nameColumn, count<Configuration>('Webhooks', ({ webhooks }) => webhooks?.length), ageColumn]

export const validatingWebhookTraits = traits<ValidatingWebhookConfiguration>({
  group,
  resource: 'validatingwebhookconfigurations',
  categories: ['api-extensions'],
  hasGeneration: true,
  columns: webhookColumns,
  strategy: {
    applyDefaults({ webhooks }) {
      for (const webhook of webhooks ?? []) defaultWebhook(webhook)
    },
    validate: ({ webhooks }) => validateWebhooks(webhooks),
  },
})

export const mutatingWebhookTraits = traits<MutatingWebhookConfiguration>({
  group,
  resource: 'mutatingwebhookconfigurations',
  categories: ['api-extensions'],
  hasGeneration: true,
  columns: webhookColumns,
  strategy: {
    applyDefaults({ webhooks }) {
      for (const webhook of webhooks ?? []) {
        defaultWebhook(webhook)
        webhook.reinvocationPolicy ||= 'Never'
      }
    },
    validate: ({ webhooks }) => validateWebhooks(webhooks),
  },
})

type Policy = ValidatingAdmissionPolicy | MutatingAdmissionPolicy
type Constraints = NonNullable<NonNullable<Policy['spec']>['matchConstraints']>

function defaultConstraints(constraints: Constraints | undefined): void {
  if (!constraints) return
  constraints.matchPolicy ||= 'Equivalent'
  constraints.namespaceSelector ??= {}
  constraints.objectSelector ??= {}
  for (const rule of [...(constraints.resourceRules ?? []), ...(constraints.excludeResourceRules ?? [])])
    rule.scope ||= '*'
}

function defaultPolicy({ spec }: Policy): void {
  if (!spec) return
  spec.failurePolicy ||= 'Fail'
  defaultConstraints(spec.matchConstraints)
}

function validatePolicy({ spec }: Policy): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const wrong = oneOf('spec.failurePolicy', spec.failurePolicy, ['Fail', 'Ignore'])
  const constraints = spec.matchConstraints
  if (!constraints) wrong.push(fieldErrors.required('spec.matchConstraints'))
  else if (!constraints.resourceRules?.length) wrong.push(fieldErrors.required('spec.matchConstraints.resourceRules'))
  else wrong.push(...validateRules(constraints.resourceRules, 'spec.matchConstraints.resourceRules'))
  return wrong
}

const paramKindOf = ({ spec }: Policy) => {
  const { apiVersion, kind } = spec?.paramKind ?? {}
  return kind ? `${apiVersion}/${kind}` : '<unset>'
}

export const validatingPolicyTraits = traits<ValidatingAdmissionPolicy>({
  group,
  resource: 'validatingadmissionpolicies',
  categories: ['api-extensions'],
  hasGeneration: true,
  columns: [
    nameColumn,
    count<ValidatingAdmissionPolicy>('Validations', ({ spec }) => spec?.validations?.length),
    column<Policy>('ParamKind', paramKindOf),
    ageColumn,
  ],
  strategy: {
    applyDefaults: defaultPolicy,
    validate(policy) {
      const wrong = validatePolicy(policy)
      if (policy.spec && !policy.spec.validations?.length && !policy.spec.auditAnnotations?.length) {
        wrong.push(
          fieldErrors.required('spec.validations', 'validations or auditAnnotations must contain at least one item'),
        )
      }
      for (const [index, { expression }] of (policy.spec?.validations ?? []).entries()) {
        if (!expression?.trim())
          wrong.push(fieldErrors.required(`spec.validations[${index}].expression`, 'expression is not specified'))
      }
      return wrong
    },
  },
})

export const mutatingPolicyTraits = traits<MutatingAdmissionPolicy>({
  group,
  resource: 'mutatingadmissionpolicies',
  categories: ['api-extensions'],
  hasGeneration: true,
  columns: [
    nameColumn,
    count<MutatingAdmissionPolicy>('Mutations', ({ spec }) => spec?.mutations?.length),
    column<Policy>('ParamKind', paramKindOf),
    ageColumn,
  ],
  strategy: {
    applyDefaults(policy) {
      defaultPolicy(policy)
      if (policy.spec) policy.spec.reinvocationPolicy ||= 'Never'
    },
    validate(policy) {
      const wrong = validatePolicy(policy)
      if (policy.spec && !policy.spec.mutations?.length)
        wrong.push(fieldErrors.required('spec.mutations', 'mutations must contain at least one item'))
      return wrong
    },
  },
})

type Binding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding

const bindingColumns = [
  nameColumn,
  column<Binding>('PolicyName', ({ spec }) => spec?.policyName ?? ''),
  column<Binding>('ParamRef', ({ spec }) => {
    const ref = spec?.paramRef
    if (!ref) return '<unset>'
    return ref.namespace ? `${ref.namespace}/${ref.name ?? '*'}` : (ref.name ?? '*')
  }),
  ageColumn,
]

const validateBinding = ({ spec }: Binding): FieldError[] =>
  spec?.policyName
    ? invalidEach('spec.policyName', spec.policyName, dns1123Subdomain(spec.policyName))
    : [fieldErrors.required('spec.policyName')]

export const validatingBindingTraits = traits<ValidatingAdmissionPolicyBinding>({
  group,
  resource: 'validatingadmissionpolicybindings',
  categories: ['api-extensions'],
  hasGeneration: true,
  columns: bindingColumns,
  strategy: {
    applyDefaults: ({ spec }) => defaultConstraints(spec?.matchResources),
    validate(binding) {
      const actions = binding.spec?.validationActions ?? []
      const wrong = validateBinding(binding)
      if (actions.length === 0)
        wrong.push(fieldErrors.required('spec.validationActions', 'at least one validation action is required'))
      for (const [index, action] of actions.entries()) {
        wrong.push(...oneOf(`spec.validationActions[${index}]`, action, ['Audit', 'Deny', 'Warn']))
        if (actions.indexOf(action) !== index)
          wrong.push(fieldErrors.duplicate(`spec.validationActions[${index}]`, action))
      }
      if (actions.includes('Deny') && actions.includes('Warn')) {
        wrong.push(
          fieldErrors.invalid(
            'spec.validationActions',
            actions,
            'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
          ),
        )
      }
      return wrong
    },
  },
})

export const mutatingBindingTraits = traits<MutatingAdmissionPolicyBinding>({
  group,
  resource: 'mutatingadmissionpolicybindings',
  categories: ['api-extensions'],
  hasGeneration: true,
  columns: bindingColumns,
  strategy: { applyDefaults: ({ spec }) => defaultConstraints(spec?.matchResources), validate: validateBinding },
})
