import type { FlowSchema, PriorityLevelConfiguration } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { oneOf } from '../meta/validate.ts'
import { traits } from '../traits.ts'

const group = 'flowcontrol.apiserver.k8s.io'
const maxPrecedence = 10_000
const maxQueues = 10_000_000

function validateSchema({ metadata, spec }: FlowSchema): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const wrong: FieldError[] = []
  const precedence = spec.matchingPrecedence ?? 0
  if (precedence < 1 || precedence > maxPrecedence) {
    const detail = `must be in the range of [1, ${maxPrecedence}]`
    wrong.push(fieldErrors.invalid('spec.matchingPrecedence', precedence, detail))
  } else if (precedence === 1 && metadata.name !== 'exempt') {
    wrong.push(
      fieldErrors.invalid('spec.matchingPrecedence', 1, "only the schema named 'exempt' may have matchingPrecedence 1"),
    )
  }
  if (!spec.priorityLevelConfiguration?.name) wrong.push(fieldErrors.required('spec.priorityLevelConfiguration.name'))
  if (spec.distinguisherMethod) {
    wrong.push(...oneOf('spec.distinguisherMethod.type', spec.distinguisherMethod.type, ['ByNamespace', 'ByUser']))
  }
  for (const [at, { subjects, resourceRules, nonResourceRules }] of (spec.rules ?? []).entries()) {
    const path = `spec.rules[${at}]`
    if (!subjects?.length)
      wrong.push(fieldErrors.required(`${path}.subjects`, 'subjects must contain at least one value'))
    if (!resourceRules?.length && !nonResourceRules?.length)
      wrong.push(fieldErrors.required(path, 'at least one of resourceRules and nonResourceRules has to be non-empty'))
    for (const [index, { kind, user, group: inGroup, serviceAccount }] of (subjects ?? []).entries()) {
      const place = `${path}.subjects[${index}]`
      wrong.push(...oneOf(`${place}.kind`, kind, ['Group', 'ServiceAccount', 'User']))
      if (kind === 'User' && !user?.name) wrong.push(fieldErrors.required(`${place}.user`))
      if (kind === 'Group' && !inGroup?.name) wrong.push(fieldErrors.required(`${place}.group`))
      if (kind === 'ServiceAccount' && (!serviceAccount?.name || !serviceAccount.namespace))
        wrong.push(fieldErrors.required(`${place}.serviceAccount`))
    }
  }
  return wrong
}

function validateLevel({ metadata, spec }: PriorityLevelConfiguration): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const wrong = oneOf('spec.type', spec.type, ['Exempt', 'Limited'])
  if (spec.type === 'Exempt') {
    if (spec.limited) wrong.push(fieldErrors.forbidden('spec.limited', 'must be nil if the type is not Limited'))
    if (metadata.name !== 'exempt')
      wrong.push(
        fieldErrors.invalid('spec.type', 'Exempt', "must be 'Limited' for every level but the one named 'exempt'"),
      )
    return wrong
  }
  const { limited } = spec
  if (!limited) return [...wrong, fieldErrors.required('spec.limited', 'must not be empty when type is Limited')]
  const { nominalConcurrencyShares = 0, lendablePercent = 0, borrowingLimitPercent = 0, limitResponse } = limited
  if (nominalConcurrencyShares < 0)
    wrong.push(
      fieldErrors.invalid(
        'spec.limited.nominalConcurrencyShares',
        nominalConcurrencyShares,
        'must be a non-negative integer',
      ),
    )
  if (lendablePercent < 0 || lendablePercent > 100)
    wrong.push(
      fieldErrors.invalid('spec.limited.lendablePercent', lendablePercent, 'must be between 0 and 100, inclusive'),
    )
  if (borrowingLimitPercent < 0)
    wrong.push(
      fieldErrors.invalid(
        'spec.limited.borrowingLimitPercent',
        borrowingLimitPercent,
        'if specified, must be a non-negative integer',
      ),
    )
  const at = 'spec.limited.limitResponse'
  wrong.push(...oneOf(`${at}.type`, limitResponse?.type, ['Queue', 'Reject']))
  const queuing = limitResponse?.queuing
  if (limitResponse?.type === 'Reject' && queuing)
    wrong.push(fieldErrors.forbidden(`${at}.queuing`, 'must be nil if limited.limitResponse.type is not Limited'))
  if (limitResponse?.type !== 'Queue' || !queuing) return wrong
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = queuing
  if (queues < 1 || queues > maxQueues)
    wrong.push(fieldErrors.invalid(`${at}.queuing.queues`, queues, 'must be positive'))
  if (queueLengthLimit < 1)
    wrong.push(fieldErrors.invalid(`${at}.queuing.queueLengthLimit`, queueLengthLimit, 'must be positive'))
  if (handSize < 1 || handSize > queues)
    wrong.push(
      fieldErrors.invalid(`${at}.queuing.handSize`, handSize, `should be positive and no more than queues (${queues})`),
    )
  return wrong
}

export const flowSchemaTraits = traits<FlowSchema>({
  group,
  resource: 'flowschemas',
  hasGeneration: true,
  columns: [
    nameColumn,
    column<FlowSchema>('PriorityLevel', ({ spec }) => spec?.priorityLevelConfiguration?.name ?? ''),
    column<FlowSchema>('MatchingPrecedence', ({ spec }) => String(spec?.matchingPrecedence ?? '')),
    column<FlowSchema>('DistinguisherMethod', ({ spec }) => spec?.distinguisherMethod?.type ?? '<none>'),
    ageColumn,
    column<FlowSchema>('MissingPL', ({ status }) => {
      const dangling = status?.conditions?.find(({ type }) => type === 'Dangling')
      return dangling?.status ?? '?'
    }),
  ],
  strategy: {
    applyDefaults({ spec }) {
      if (spec) spec.matchingPrecedence ||= 1000
    },
    validate: validateSchema,
  },
})

export const priorityLevelTraits = traits<PriorityLevelConfiguration>({
  group,
  resource: 'prioritylevelconfigurations',
  hasGeneration: true,
  columns: [
    nameColumn,
    column<PriorityLevelConfiguration>('Type', ({ spec }) => spec?.type ?? ''),
    ...(
      [
        ['NominalConcurrencyShares', (spec) => spec?.limited?.nominalConcurrencyShares],
        ['Queues', (spec) => spec?.limited?.limitResponse?.queuing?.queues],
        ['HandSize', (spec) => spec?.limited?.limitResponse?.queuing?.handSize],
        ['QueueLengthLimit', (spec) => spec?.limited?.limitResponse?.queuing?.queueLengthLimit],
      ] as [string, (spec: PriorityLevelConfiguration['spec']) => number | undefined][]
    ).map(([name, read]) => column<PriorityLevelConfiguration>(name, ({ spec }) => String(read(spec) ?? '<none>'))),
    ageColumn,
  ],
  strategy: {
    applyDefaults({ spec }) {
      if (spec?.exempt) {
        spec.exempt.nominalConcurrencyShares ??= 0
        spec.exempt.lendablePercent ??= 0
      }
      if (!spec?.limited) return
      spec.limited.nominalConcurrencyShares ??= 30
      spec.limited.lendablePercent ??= 0
      const { queuing } = spec.limited.limitResponse ?? {}
      if (!queuing) return
      queuing.queues ||= 64
      queuing.handSize ||= 8
      queuing.queueLengthLimit ||= 50
    },
    validate: validateLevel,
  },
})
