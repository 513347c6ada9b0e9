import type { KubeObject } from '../../src/api/object.ts'

/** Where client-side apply keeps what was applied last, for its three-way merge. */
export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration'

/** All annotations of an object together may have so many bytes; a larger record is left out. */
const maxRecordBytes = 200 * 1024

/**
 * The object with the record that kubectl's client-side apply writes, byte for byte: whoever applies the same manifest
 * with kubectl finds nothing to change, and a field that has left the manifest leaves the object, whichever of the two
 * is used.
 */
export function withLastApplied(object: KubeObject, namespace: string | undefined): KubeObject {
  const { [lastAppliedAnnotation]: _old, ...annotations } = object.metadata.annotations ?? {}
  const metadata = { ...object.metadata, annotations, ...(namespace === undefined ? {} : { namespace }) }
  const record = `${goJson({ ...object, metadata })}\n`
  if (Buffer.byteLength(record) > maxRecordBytes) return object
  return {
    ...object,
    metadata: { ...object.metadata, annotations: { ...annotations, [lastAppliedAnnotation]: record } },
  }
}

/** JSON as Go's encoder writes maps: keys in order, and what could end a script element escaped. */
function goJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goJson).join(',')}]`
  if (typeof value !== 'object' || value === null)
    return JSON.stringify(value).replaceAll(
      /[<>&\u2028\u2029]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
  const entries = Object.entries(value).filter(([, one]) => one !== undefined)
  return `{${entries
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, one]) => `${goJson(key)}:${goJson(one)}`)
    .join(',')}}`
}

interface ManagedFields {
  manager?: string
  operation?: string
  apiVersion?: string
  subresource?: string
  fieldsV1?: Record<string, unknown>
}

/**
 * The managed fields with those that kubectl's client-side apply recorded given to `manager`, as server-side apply has to
 * find them to remove what is no longer applied (as `kubectl apply --server-side` does it, KEP-555); undefined when
 * there are none.
 */
export function upgradedManagers(object: KubeObject, manager: string): unknown[] | undefined {
  const entries = (object.metadata.managedFields ?? []) as ManagedFields[]
  const isOld = (entry: ManagedFields): boolean =>
    entry.operation === 'Update' && !entry.subresource && entry.manager === 'kubectl-client-side-apply'
  const old = entries.filter(isOld)
  if (old.length === 0) return undefined
  const isOurs = (entry: ManagedFields): boolean => entry.operation === 'Apply' && entry.manager === manager
  const ours = entries.filter(isOurs)
  const newest = old.at(-1)!
  const fieldsV1 = [...ours, ...old].reduce<Record<string, unknown>>((all, one) => union(all, one.fieldsV1 ?? {}), {})
  const others = entries.filter((entry) => !isOld(entry) && !isOurs(entry))
  return [...others, { ...newest, manager, operation: 'Apply', fieldsV1 }]
}

function union(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = { ...a }
  for (const [key, value] of Object.entries(b))
    result[key] = union((result[key] as Record<string, unknown> | undefined) ?? {}, value as Record<string, unknown>)
  return result
}
