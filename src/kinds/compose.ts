import type { KubeObject } from '../api/object.ts'
import { copyJson } from '../lib/copy-json.ts'
import type { Strategy } from './definition.ts'
import { validateObjectMeta, validateObjectMetaUpdate, type MetaRules } from './meta/validate.ts'
import type { KindTraits } from './traits.ts'

interface CompositionRules extends MetaRules {
  /** Subresources whose body is the object itself. */
  subresources: readonly string[]
}

/** Any object with the two parts that subresources divide among themselves. */
type WithParts = KubeObject & { spec?: unknown; status?: unknown }

/**
 * Joins what all kinds do with what one kind does. Where there is a status subresource, the main resource cannot
 * write the status and /status can write nothing else. Validation of an update is complete in itself: all the rules
 * of a create and those on what may change.
 */
export function composeStrategies(
  kind: KindTraits,
  rules: CompositionRules,
): { strategy: Strategy; subresourceStrategies: Record<string, Strategy> } {
  const own = kind.strategy ?? {}
  const hasStatus = rules.subresources.includes('status')
  const applyDefaults: Strategy['applyDefaults'] = own.applyDefaults && ((object) => own.applyDefaults?.(object))
  const strategy: Strategy = {
    prepareForCreate(object) {
      if (hasStatus && !keepsStatusOnCreate(kind)) delete (object as WithParts).status
      own.prepareForCreate?.(object)
    },
    prepareForUpdate(object, old) {
      if (hasStatus) keepPart(object, old, 'status')
      own.prepareForUpdate?.(object, old)
    },
    ...(applyDefaults ? { applyDefaults } : {}),
    validate: (object) => [...validateObjectMeta(object.metadata, rules), ...(own.validate?.(object) ?? [])],
    validateUpdate: (object, old) => [
      ...validateObjectMeta(object.metadata, rules),
      ...validateObjectMetaUpdate(object.metadata, old.metadata),
      ...(own.validate?.(object) ?? []),
      ...(own.validateUpdate?.(object, old) ?? []),
    ],
    ...(own.warnings ? { warnings: (object: KubeObject) => own.warnings?.(object) ?? [] } : {}),
  }
  const subresourceStrategies: Record<string, Strategy> = {}
  for (const name of rules.subresources) {
    const special = kind.subresourceStrategies?.[name]
    subresourceStrategies[name] = {
      prepareForUpdate(object, old) {
        if (name === 'status') keepAllButStatus(object, old)
        special?.prepareForUpdate?.(object, old)
      },
      ...(applyDefaults ? { applyDefaults } : {}),
      validateUpdate: (object, old) => [
        ...validateObjectMeta(object.metadata, rules),
        ...validateObjectMetaUpdate(object.metadata, old.metadata),
        ...(special?.validate?.(object) ?? []),
        ...(special?.validateUpdate?.(object, old) ?? []),
      ],
    }
  }
  return { strategy, subresourceStrategies }
}

/** A kubelet registers its Node together with the status. */
const keepsStatusOnCreate = (kind: KindTraits) => kind.group === '' && kind.resource === 'nodes'

/** What `part` was stays, whatever the update brings. */
export function keepPart(object: KubeObject, old: KubeObject, part: string): void {
  const next = object as unknown as Record<string, unknown>
  const before = (old as unknown as Record<string, unknown>)[part]
  // The stored object is frozen; a strategy or defaulting may go on to change this one.
  if (before === undefined) delete next[part]
  else next[part] = copyJson(before)
}

function keepAllButStatus(object: KubeObject, old: KubeObject): void {
  const own = ['status', 'metadata', 'apiVersion', 'kind']
  for (const part of new Set([...Object.keys(object), ...Object.keys(old)])) {
    if (!own.includes(part)) keepPart(object, old, part)
  }
  // Owners and deletion are the main resource's; labels, annotations and finalizers may come along.
  if (old.metadata.ownerReferences === undefined) delete object.metadata.ownerReferences
  else object.metadata.ownerReferences = copyJson(old.metadata.ownerReferences)
}
