import type { LabelSelector, ObjectMeta } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { labelValue, qualifiedName, dns1123Label, type NameRule } from './names.ts'

/** Sum of all keys and values of an object's annotations. */
export const maxAnnotationsBytes = 256 * 1024

export interface MetaRules {
  namespaced: boolean
  nameRule: NameRule
  /** Custom objects may bear finalizers of any name; built-in kinds know those without a slash one by one. */
  anyFinalizer?: boolean
}

/** The text shown for a change to what may not change. */
export const immutableMessage = 'field is immutable'

/** Compares by value; key order does not matter, and undefined is as good as absent. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((one, index) => sameValue(one, b[index]))
    )
  }
  const left = a as Record<string, unknown>
  const right = b as Record<string, unknown>
  const keys = new Set([...Object.keys(left), ...Object.keys(right)])
  return [...keys].every((key) => sameValue(left[key], right[key]))
}

/** One error when `value` is not what it was. */
export const immutable = (field: string, value: unknown, old: unknown): FieldError[] =>
  sameValue(value, old) ? [] : [fieldErrors.invalid(field, value ?? null, immutableMessage)]

/** Turns messages of a syntax rule into errors of a field. */
export const invalidEach = (field: string, value: unknown, messages: readonly string[]): FieldError[] =>
  messages.map((message) => fieldErrors.invalid(field, value, message))

/** A value from a closed list; undefined and '' are left to `required`. */
export function oneOf(
  field: string,
  value: string | undefined,
  supported: readonly string[],
  required = true,
): FieldError[] {
  if (value === undefined || value === '') return required ? [fieldErrors.required(field)] : []
  return supported.includes(value) ? [] : [fieldErrors.notSupported(field, value, supported)]
}

export const nonNegative = (field: string, value: number | undefined): FieldError[] =>
  value !== undefined && value < 0 ? [fieldErrors.invalid(field, value, nonNegativeMessage)] : []

export const nonNegativeMessage = 'must be greater than or equal to 0'

/** Rules of every object's metadata (apimachinery/pkg/api/validation.ValidateObjectMeta). */
export function validateObjectMeta(meta: ObjectMeta, rules: MetaRules, path = 'metadata'): FieldError[] {
  const wrong: FieldError[] = []
  if (meta.generateName) {
    wrong.push(...invalidEach(`${path}.generateName`, meta.generateName, rules.nameRule(meta.generateName, true)))
  }
  if (!meta.name) wrong.push(fieldErrors.required(`${path}.name`, 'name or generateName is required'))
  else wrong.push(...invalidEach(`${path}.name`, meta.name, rules.nameRule(meta.name)))
  if (rules.namespaced) {
    if (!meta.namespace) wrong.push(fieldErrors.required(`${path}.namespace`))
    else wrong.push(...invalidEach(`${path}.namespace`, meta.namespace, dns1123Label(meta.namespace)))
  } else if (meta.namespace) {
    wrong.push(fieldErrors.forbidden(`${path}.namespace`, 'not allowed on this type'))
  }
  if ((meta.generation ?? 0) < 0)
    wrong.push(fieldErrors.invalid(`${path}.generation`, meta.generation, nonNegativeMessage))
  wrong.push(
    ...validateLabels(meta.labels, `${path}.labels`),
    ...validateAnnotations(meta.annotations, `${path}.annotations`),
    ...validateOwnerReferences(meta, `${path}.ownerReferences`),
    ...validateFinalizers(meta.finalizers, `${path}.finalizers`, rules.anyFinalizer === true),
  )
  return wrong
}

/** What an update may not change about metadata. */
export function validateObjectMetaUpdate(meta: ObjectMeta, old: ObjectMeta, path = 'metadata'): FieldError[] {
  const wrong: FieldError[] = []
  if ((meta.generation ?? 0) < (old.generation ?? 0)) {
    wrong.push(fieldErrors.invalid(`${path}.generation`, meta.generation ?? 0, 'must not be decremented'))
  }
  if (old.deletionTimestamp) {
    const added = (meta.finalizers ?? []).filter((one) => !(old.finalizers ?? []).includes(one))
    if (added.length > 0) {
      wrong.push(
        fieldErrors.forbidden(
          `${path}.finalizers`,
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((one) => JSON.stringify(one)).join(', ')}}`,
        ),
      )
    }
  }
  for (const field of [
    'name',
    'namespace',
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ] as const) {
    wrong.push(...immutable(`${path}.${field}`, meta[field], old[field]))
  }
  return wrong
}

export function validateLabels(labels: Record<string, string> | undefined, path: string): FieldError[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...invalidEach(path, key, qualifiedName(key)),
    ...invalidEach(path, value, labelValue(value)),
  ])
}

export function validateAnnotations(annotations: Record<string, string> | undefined, path: string): FieldError[] {
  const wrong: FieldError[] = []
  let bytes = 0
  for (const [key, value] of Object.entries(annotations ?? {})) {
    // Annotation keys may be written in capitals; upstream checks them in lower case.
    wrong.push(...invalidEach(path, key, qualifiedName(key.toLowerCase())))
    bytes += key.length + utf8Length(value)
  }
  if (bytes > maxAnnotationsBytes) wrong.push(fieldErrors.tooLong(path, maxAnnotationsBytes))
  return wrong
}

const encoder = new TextEncoder()
/** Bytes of the text in UTF-8. */
export const utf8Length = (text: string): number => encoder.encode(text).length

function validateOwnerReferences(meta: ObjectMeta, path: string): FieldError[] {
  const wrong: FieldError[] = []
  let controller: string | undefined
  for (const [index, owner] of (meta.ownerReferences ?? []).entries()) {
    const at = `${path}[${index}]`
    if (!owner.apiVersion)
      wrong.push(fieldErrors.invalid(`${at}.apiVersion`, owner.apiVersion ?? '', 'version must not be empty'))
    if (!owner.kind) wrong.push(fieldErrors.invalid(`${at}.kind`, owner.kind ?? '', 'must not be empty'))
    if (!owner.name) wrong.push(fieldErrors.invalid(`${at}.name`, owner.name ?? '', 'must not be empty'))
    if (!owner.uid) wrong.push(fieldErrors.invalid(`${at}.uid`, owner.uid ?? '', 'must not be empty'))
    if (owner.apiVersion === 'v1' && owner.kind === 'Event') {
      wrong.push(fieldErrors.invalid(at, owner, '/v1, Kind=Event is disallowed from being an owner'))
    }
    if (!owner.controller) continue
    if (controller !== undefined) {
      wrong.push(
        fieldErrors.invalid(
          path,
          meta.ownerReferences,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${owner.kind}/${owner.name}`,
        ),
      )
    }
    controller = `${owner.kind}/${owner.name}`
  }
  return wrong
}

/** Finalizers that Kubernetes itself knows without a domain. */
const standardFinalizers = ['orphan', 'foregroundDeletion', 'kubernetes', 'customresourcecleanup.apiextensions.k8s.io']

function validateFinalizers(finalizers: readonly string[] | undefined, path: string, any: boolean): FieldError[] {
  const wrong: FieldError[] = []
  for (const [index, finalizer] of (finalizers ?? []).entries()) {
    const at = `${path}[${index}]`
    wrong.push(...invalidEach(at, finalizer, qualifiedName(finalizer)))
    if (!any && !finalizer.includes('/') && !standardFinalizers.includes(finalizer)) {
      wrong.push(
        fieldErrors.invalid(at, finalizer, 'name is neither a standard finalizer name nor is it fully qualified'),
      )
    }
  }
  if (finalizers?.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    wrong.push(fieldErrors.invalid(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'))
  }
  return wrong
}

/** A metav1.LabelSelector inside a spec. */
export function validateLabelSelector(selector: LabelSelector | undefined, path: string): FieldError[] {
  const wrong = validateLabels(selector?.matchLabels, `${path}.matchLabels`)
  for (const [index, { key, operator, values }] of (selector?.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${index}]`
    const count = values?.length ?? 0
    if (operator === 'In' || operator === 'NotIn') {
      if (count === 0) {
        wrong.push(fieldErrors.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
      }
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (count > 0) {
        wrong.push(
          fieldErrors.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        )
      }
    } else wrong.push(fieldErrors.invalid(`${at}.operator`, operator ?? '', 'not a valid selector operator'))
    wrong.push(...invalidEach(`${at}.key`, key, qualifiedName(key)))
    for (const [valueIndex, value] of (values ?? []).entries()) {
      wrong.push(...invalidEach(`${at}.values[${valueIndex}]`, value, labelValue(value)))
    }
  }
  return wrong
}
