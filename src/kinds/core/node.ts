import type { Node, Taint } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { ageColumn, column, nameColumn, wide } from '../columns.ts'
import { parseCidr, cidrMessage } from '../meta/addresses.ts'
import { labelValue, qualifiedName } from '../meta/names.ts'
import { invalidEach, oneOf, sameValue } from '../meta/validate.ts'
import { traits } from '../traits.ts'
import { validateQuantity } from './pod/validate-resources.ts'

const rolePrefix = 'node-role.kubernetes.io/'
const roleLabel = 'kubernetes.io/role'

function statusOf({ spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  const word = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'
  return spec?.unschedulable ? `${word},SchedulingDisabled` : word
}

function rolesOf({ metadata }: Node): string {
  const roles = new Set<string>()
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length))
    else if (key === roleLabel && value !== '') roles.add(value)
  }
  return roles.size === 0 ? '<none>' : [...roles].toSorted().join(',')
}

const addressOf = ({ status }: Node, type: string) =>
  status?.addresses?.find((address) => address.type === type)?.address ?? '<none>'

function validateTaints(taints: readonly Taint[] | undefined, path: string): FieldError[] {
  const wrong: FieldError[] = []
  const seen = new Set<string>()
  for (const [index, { key, value, effect }] of (taints ?? []).entries()) {
    const at = `${path}[${index}]`
    wrong.push(
      ...invalidEach(`${at}.key`, key, qualifiedName(key ?? '')),
      ...invalidEach(`${at}.value`, value ?? '', labelValue(value ?? '')),
      ...oneOf(`${at}.effect`, effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
    )
    const pair = `${key}/${effect}`
    if (seen.has(pair)) {
      wrong.push({
        ...fieldErrors.duplicate(at, { key, value, effect }),
        message: `Duplicate value: ${JSON.stringify({ key, value, effect })}: taints must be unique by key and effect pair`,
      })
    }
    seen.add(pair)
  }
  return wrong
}

function validateNode({ spec, status }: Node): FieldError[] {
  const wrong = validateTaints(spec?.taints, 'spec.taints')
  for (const [index, cidr] of (spec?.podCIDRs ?? []).entries()) {
    if (!parseCidr(cidr)) wrong.push(fieldErrors.invalid(`spec.podCIDRs[${index}]`, cidr, cidrMessage))
  }
  for (const part of ['capacity', 'allocatable'] as const) {
    for (const [name, quantity] of Object.entries(status?.[part] ?? {})) {
      wrong.push(...validateQuantity(name, quantity, `status.${part}[${name}]`))
    }
  }
  return wrong
}

/** Of the spec only these may change after registration. */
const mutable = ['taints', 'unschedulable', 'configSource'] as const

function validateNodeUpdate(node: Node, old: Node): FieldError[] {
  const wrong: FieldError[] = []
  const before = old.spec ?? {}
  const next = node.spec ?? {}
  // The pod CIDR and the provider ID can be set once.
  if ((before.podCIDRs?.length ?? 0) > 0 && !sameValue(next.podCIDRs, before.podCIDRs)) {
    wrong.push(fieldErrors.forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'))
  }
  if (before.providerID && next.providerID !== before.providerID) {
    wrong.push(
      fieldErrors.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'),
    )
  }
  const settable = [...mutable, 'podCIDR', 'podCIDRs', 'providerID']
  const rest = (spec: object) => Object.fromEntries(Object.entries(spec).filter(([field]) => !settable.includes(field)))
  if (!sameValue(rest(next), rest(before))) {
    wrong.push(
      fieldErrors.forbidden(
        'spec',
        'node updates may only change labels, taints, or capacity (or configSource, if the DynamicKubeletConfig feature gate is enabled)',
      ),
    )
  }
  return wrong
}

export const nodeTraits = traits<Node>({
  group: '',
  resource: 'nodes',
  shortNames: ['no'],
  columns: [
    nameColumn,
    column<Node>('Status', statusOf, { description: 'Whether the node takes pods.' }),
    column<Node>('Roles', rolesOf, { description: 'Roles that labels give the node.' }),
    ageColumn,
    column<Node>('Version', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
    wide<Node>('Internal-IP', (node) => addressOf(node, 'InternalIP')),
    wide<Node>('External-IP', (node) => addressOf(node, 'ExternalIP')),
    wide<Node>('OS-Image', ({ status }) => status?.nodeInfo?.osImage || '<unknown>'),
    wide<Node>('Kernel-Version', ({ status }) => status?.nodeInfo?.kernelVersion || '<unknown>'),
    wide<Node>('Container-Runtime', ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>'),
  ],
  selectable: ({ spec }) => ({ 'spec.unschedulable': String(spec?.unschedulable ?? false) }),
  strategy: {
    applyDefaults({ status }) {
      // What is not set apart for the system can be given to pods.
      if (status?.capacity && !status.allocatable) status.allocatable = { ...status.capacity }
    },
    validate: validateNode,
    validateUpdate: validateNodeUpdate,
  },
  subresourceStrategies: { status: { validate: validateNode } },
})
