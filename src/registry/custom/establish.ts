import type { CustomResourceDefinition, CustomResourceDefinitionCondition } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import type { Catalogue } from '../catalogue.ts'
import { timestamp } from '../metadata.ts'

/** Keeps a deleted CRD until its objects are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io'

/**
 * Accepts or refuses the names of a CRD that is about to be written, and establishes it: it is served on every node as
 * soon as it is there, so there is no state in between to wait for. Mutates `next`.
 */
export function establish(next: KubeObject, old: KubeObject | undefined, catalogue: Catalogue, nowMs: number): void {
  const crd = next as CustomResourceDefinition & KubeObject
  const names = crd.spec.names
  const conflict = conflictOf(crd, catalogue)
  const before = (old as CustomResourceDefinition | undefined)?.status
  const stored = crd.spec.versions.find((version) => version.storage)?.name
  crd.status = {
    ...crd.status,
    acceptedNames: conflict ? (before?.acceptedNames ?? { plural: '', kind: '' }) : names,
    conditions: conditionsOf(before?.conditions, conflict, nowMs),
    storedVersions: [...new Set([...(before?.storedVersions ?? []), ...(stored ? [stored] : [])])],
  }
  if (!old) next.metadata.finalizers = [...new Set([...(next.metadata.finalizers ?? []), cleanupFinalizer])]
}

/** True when the CRD's kinds may be served. */
export function isEstablished(crd: CustomResourceDefinition): boolean {
  return crd.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') === true
}

function conflictOf(crd: CustomResourceDefinition, catalogue: Catalogue): string | undefined {
  const { group, names } = crd.spec
  const own = `${names.plural}.${group}`
  for (const other of catalogue.all()) {
    if (other.group !== group || `${other.resource}.${group}` === own) continue
    if (other.kind === names.kind || other.listKind === names.kind)
      return `${JSON.stringify(names.kind)} is already in use`
    const taken = [other.resource, other.singular, ...other.shortNames]
    for (const name of [names.plural, names.singular ?? '', ...(names.shortNames ?? [])]) {
      if (taken.includes(name)) return `${JSON.stringify(name)} is already in use`
    }
  }
  return undefined
}

function conditionsOf(
  before: readonly CustomResourceDefinitionCondition[] | undefined,
  conflict: string | undefined,
  nowMs: number,
): CustomResourceDefinitionCondition[] {
  const established = before?.some(({ type, status }) => type === 'Established' && status === 'True') === true
  const condition = (
    type: string,
    good: boolean,
    reason: string,
    message: string,
  ): CustomResourceDefinitionCondition => {
    const status = good ? 'True' : 'False'
    const known = before?.find((one) => one.type === type && one.status === status)
    return { type, status, reason, message, lastTransitionTime: known?.lastTransitionTime ?? timestamp(nowMs) }
  }
  const others = (before ?? []).filter(({ type }) => type !== 'NamesAccepted' && type !== 'Established')
  return [
    condition('NamesAccepted', !conflict, conflict ? 'Conflict' : 'NoConflicts', conflict ?? 'no conflicts found'),
    // Once established it stays so: objects may exist.
    condition(
      'Established',
      established || !conflict,
      established || !conflict ? 'InitialNamesAccepted' : 'NotAccepted',
      established || !conflict ? 'the initial names have been accepted' : 'not all names are accepted',
    ),
    ...others,
  ]
}
