import type { APIService, CustomResourceDefinition } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { ageColumn, column, defaultColumns, nameColumn } from '../columns.ts'
import { dns1035Label, dns1123Subdomain, pathSegment } from '../meta/names.ts'
import { immutable, invalidEach, oneOf } from '../meta/validate.ts'
import { traits } from '../traits.ts'

type Definition = CustomResourceDefinition

function validateDefinition({ metadata, spec }: Definition): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const { names, versions = [] } = spec
  const wrong: FieldError[] = []
  const wanted = `${names?.plural}.${spec.group}`
  if (metadata.name !== wanted) {
    wrong.push(fieldErrors.invalid('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group'))
  }
  if (!spec.group) wrong.push(fieldErrors.required('spec.group'))
  else {
    wrong.push(...invalidEach('spec.group', spec.group, dns1123Subdomain(spec.group)))
    if (!spec.group.includes('.'))
      wrong.push(fieldErrors.invalid('spec.group', spec.group, 'should be a domain with at least one dot'))
  }
  wrong.push(...oneOf('spec.scope', spec.scope, ['Cluster', 'Namespaced']))
  for (const field of ['plural', 'singular', 'kind', 'listKind'] as const) {
    const value = names?.[field] ?? ''
    if (value === '' && (field === 'plural' || field === 'kind'))
      wrong.push(fieldErrors.required(`spec.names.${field}`))
    else if (value !== '') wrong.push(...invalidEach(`spec.names.${field}`, value, dns1035Label(value.toLowerCase())))
  }
  for (const [index, short] of (names?.shortNames ?? []).entries()) {
    wrong.push(...invalidEach(`spec.names.shortNames[${index}]`, short, dns1035Label(short)))
  }
  for (const [index, category] of (names?.categories ?? []).entries()) {
    wrong.push(...invalidEach(`spec.names.categories[${index}]`, category, dns1035Label(category)))
  }
  if (names?.kind && names.kind === names.listKind) {
    wrong.push(fieldErrors.invalid('spec.names.listKind', names.listKind, 'kind and listKind may not be the same'))
  }
  if (versions.length === 0)
    wrong.push(fieldErrors.required('spec.versions', 'must have exactly one version marked as storage version'))
  else if (versions.filter(({ storage }) => storage).length !== 1) {
    wrong.push(
      fieldErrors.invalid(
        'spec.versions',
        versions.map(({ name }) => name),
        'must have exactly one version marked as storage version',
      ),
    )
  }
  const seen = new Set<string>()
  for (const [index, version] of versions.entries()) {
    const at = `spec.versions[${index}]`
    wrong.push(...invalidEach(`${at}.name`, version.name, dns1035Label(version.name ?? '')))
    if (seen.has(version.name)) wrong.push(fieldErrors.duplicate(`${at}.name`, version.name))
    seen.add(version.name)
    if (!version.schema?.openAPIV3Schema)
      wrong.push(fieldErrors.required(`${at}.schema.openAPIV3Schema`, 'schemas are required'))
    else if (version.schema.openAPIV3Schema.type !== 'object') {
      wrong.push(
        fieldErrors.invalid(
          `${at}.schema.openAPIV3Schema.type`,
          version.schema.openAPIV3Schema.type ?? '',
          'must be object at the root',
        ),
      )
    }
    const scale = version.subresources?.scale
    if (!scale) continue
    for (const [field, root] of [
      ['specReplicasPath', '.spec.'],
      ['statusReplicasPath', '.status.'],
    ] as const) {
      const value = scale[field]
      if (!value) wrong.push(fieldErrors.required(`${at}.subresources.scale.${field}`))
      else if (!value.startsWith(root)) {
        wrong.push(
          fieldErrors.invalid(
            `${at}.subresources.scale.${field}`,
            value,
            `should be a json path under ${root.slice(0, -1)}`,
          ),
        )
      }
    }
  }
  const { strategy, webhook } = spec.conversion ?? {}
  wrong.push(...oneOf('spec.conversion.strategy', strategy, ['None', 'Webhook']))
  if (strategy === 'Webhook' && !webhook?.clientConfig)
    wrong.push(fieldErrors.required('spec.conversion.webhook.clientConfig'))
  return wrong
}

const isEstablished = ({ status }: Definition) =>
  status?.conditions?.some(({ type, status: value }) => type === 'Established' && value === 'True') ?? false

function validateDefinitionUpdate(next: Definition, old: Definition): FieldError[] {
  const wrong = immutable('spec.group', next.spec?.group, old.spec?.group)
  wrong.push(...immutable('spec.names.plural', next.spec?.names?.plural, old.spec?.names?.plural))
  if (isEstablished(old)) {
    wrong.push(
      ...immutable('spec.scope', next.spec?.scope, old.spec?.scope),
      ...immutable('spec.names.kind', next.spec?.names?.kind, old.spec?.names?.kind),
    )
  }
  const names = new Set((next.spec?.versions ?? []).map(({ name }) => name))
  for (const stored of next.status?.storedVersions ?? []) {
    if (!names.has(stored)) {
      wrong.push(
        fieldErrors.invalid(
          'status.storedVersions[0]',
          stored,
          `missing from spec.versions; ${stored} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${stored} and removes ${stored} from status.storedVersions`,
        ),
      )
    }
  }
  return wrong
}

/** The storage version is remembered for as long as objects may be stored in it. */
function rememberStorageVersion(definition: Definition): void {
  const storage = definition.spec?.versions?.find((version) => version.storage)?.name
  if (storage === undefined) return
  definition.status ??= {}
  const stored = definition.status.storedVersions ?? []
  if (!stored.includes(storage)) definition.status.storedVersions = [...stored, storage]
}

export const customResourceDefinitionTraits = traits<Definition>({
  group: 'apiextensions.k8s.io',
  resource: 'customresourcedefinitions',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  hasGeneration: true,
  columns: defaultColumns,
  strategy: {
    prepareForCreate: rememberStorageVersion,
    prepareForUpdate: rememberStorageVersion,
    applyDefaults({ spec }) {
      if (!spec) return
      if (spec.names) {
        spec.names.singular ||= spec.names.kind?.toLowerCase()
        spec.names.listKind ||= spec.names.kind ? `${spec.names.kind}List` : undefined
      }
      spec.conversion ??= { strategy: 'None' }
      const service = spec.conversion.webhook?.clientConfig?.service
      if (service) service.port ??= 443
    },
    validate: validateDefinition,
    validateUpdate: validateDefinitionUpdate,
  },
})

/** What we serve ourselves is there from the first moment, and for good. */
const localCondition = ({ metadata }: APIService) => ({
  type: 'Available',
  status: 'True',
  reason: 'Local',
  message: 'Local APIServices are always available',
  ...(metadata.creationTimestamp ? { lastTransitionTime: metadata.creationTimestamp } : {}),
})

export const apiServiceTraits = traits<APIService>({
  group: 'apiregistration.k8s.io',
  resource: 'apiservices',
  categories: ['api-extensions'],
  nameRule: pathSegment,
  columns: [
    nameColumn,
    column<APIService>('Service', ({ spec }) =>
      spec?.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local',
    ),
    column<APIService>('Available', ({ status }) => {
      const condition = status?.conditions?.find(({ type }) => type === 'Available')
      if (!condition) return 'Unknown'
      return condition.status === 'True' ? 'True' : `${condition.status} (${condition.reason})`
    }),
    ageColumn,
  ],
  strategy: {
    prepareForCreate(object) {
      if (object.spec && !object.spec.service) object.status = { conditions: [localCondition(object)] }
    },
    applyDefaults({ spec }) {
      if (spec?.service) spec.service.port ??= 443
    },
    validate({ metadata, spec }) {
      if (!spec) return [fieldErrors.required('spec')]
      const wrong: FieldError[] = []
      const wanted = `${spec.version}.${spec.group ?? ''}`
      if (metadata.name !== wanted) {
        wrong.push(fieldErrors.invalid('metadata.name', metadata.name, 'must be spec.version+"."+spec.group'))
      }
      if (!spec.version) wrong.push(fieldErrors.required('spec.version'))
      if (!(spec.groupPriorityMinimum > 0 && spec.groupPriorityMinimum <= 20_000)) {
        wrong.push(
          fieldErrors.invalid(
            'spec.groupPriorityMinimum',
            spec.groupPriorityMinimum ?? 0,
            'must be positive and less than 20000',
          ),
        )
      }
      if (!(spec.versionPriority > 0 && spec.versionPriority <= 1000)) {
        wrong.push(
          fieldErrors.invalid('spec.versionPriority', spec.versionPriority ?? 0, 'must be positive and less than 1000'),
        )
      }
      if (spec.insecureSkipTLSVerify && spec.caBundle) {
        wrong.push(fieldErrors.invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'))
      }
      if (spec.service && (!spec.service.name || !spec.service.namespace)) {
        wrong.push(fieldErrors.required(`spec.service.${spec.service.name ? 'namespace' : 'name'}`))
      }
      return wrong
    },
  },
})
