import type { ResourceSlice, ResourceV1ResourceClaim } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { immutable } from '../meta/validate.ts'
import { traits } from '../traits.ts'
import { convertClaimSpec, convertDevices } from './convert.ts'
import { defaultClaimSpec } from './defaults.ts'

const group = 'resource.k8s.io'
const nameAndAge = [nameColumn, ageColumn]

type WithSpec = KubeObject & { spec?: Record<string, unknown> }

/** The rest of an object is the same in all versions. */
const converter =
  (convertSpec: (spec: Record<string, unknown>, version: string) => Record<string, unknown>) =>
  (object: WithSpec, version: string): KubeObject => ({
    ...object,
    apiVersion: `${group}/${version}`,
    ...(object.spec ? { spec: convertSpec(object.spec, version) } : {}),
  })

function stateOf({ metadata, status }: ResourceV1ResourceClaim): string {
  const states = [
    ...(metadata.deletionTimestamp ? ['deleted'] : []),
    ...(status?.allocation ? ['allocated'] : []),
    ...(status?.reservedFor?.length ? ['reserved'] : []),
  ]
  return states.length === 0 ? 'pending' : states.join(',')
}

export const resourceClaimTraits = traits<ResourceV1ResourceClaim>({
  group,
  resource: 'resourceclaims',
  columns: [nameColumn, column<ResourceV1ResourceClaim>('State', stateOf), ageColumn],
  strategy: {
    applyDefaults: ({ spec }) => defaultClaimSpec(spec as Record<string, unknown> | undefined),
    validateUpdate: ({ spec }, old) => immutable('spec', spec, old.spec),
  },
  convertTo: converter(convertClaimSpec) as (object: ResourceV1ResourceClaim, version: string) => KubeObject,
})

export const resourceClaimTemplateTraits = traits<WithSpec>({
  group,
  resource: 'resourceclaimtemplates',
  columns: nameAndAge,
  strategy: {
    applyDefaults: ({ spec }) => defaultClaimSpec(spec?.['spec'] as Record<string, unknown> | undefined),
    validateUpdate: ({ spec }, old) => immutable('spec', spec, old.spec),
  },
  convertTo: converter((spec, version) => ({
    ...spec,
    ...(spec['spec'] ? { spec: convertClaimSpec(spec['spec'] as Record<string, unknown>, version) } : {}),
  })),
})

export const deviceClassTraits = traits({ group, resource: 'deviceclasses', hasGeneration: true, columns: nameAndAge })

export const resourceSliceTraits = traits<ResourceSlice>({
  group,
  resource: 'resourceslices',
  hasGeneration: true,
  columns: [
    nameColumn,
    column<ResourceSlice>('Node', ({ spec }) => spec?.nodeName ?? '<unset>'),
    column<ResourceSlice>('Driver', ({ spec }) => spec?.driver ?? ''),
    column<ResourceSlice>('Pool', ({ spec }) => spec?.pool?.name ?? ''),
    ageColumn,
  ],
  selectable: ({ spec }) => ({ 'spec.nodeName': spec?.nodeName ?? '', 'spec.driver': spec?.driver ?? '' }),
  strategy: {
    validateUpdate: ({ spec }, old) => [
      ...immutable('spec.driver', spec?.driver, old.spec?.driver),
      ...immutable('spec.pool.name', spec?.pool?.name, old.spec?.pool?.name),
    ],
  },
  convertTo: converter(convertDevices) as unknown as (object: ResourceSlice, version: string) => KubeObject,
})
