import type { Status, StatusCause, StatusDetails } from './kinds.ts'
import { groupResourceName, type GroupResource } from './object.ts'

/** Machine-readable reasons of `metav1.Status`, with the HTTP code that each carries. */
export const statusCodes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  Conflict: 409,
  AlreadyExists: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
  ServerTimeout: 500,
} as const

export type StatusReason = keyof typeof statusCodes

/**
 * The one error that users see: Kubernetes' Status with reason, code and causes. Everything below the API server
 * throws it for what a caller did or must know; bugs of ours are plain errors and become a 500.
 */
export class StatusError extends Error {
  override name = 'StatusError'
  readonly reason: StatusReason
  readonly code: number
  readonly details: StatusDetails | undefined

  constructor(reason: StatusReason, message: string, details?: StatusDetails) {
    super(message)
    this.reason = reason
    this.code = statusCodes[reason]
    this.details = details
  }

  /** The `metav1.Status` body that answers the request. */
  toStatus(): Status {
    return {
      apiVersion: 'v1',
      kind: 'Status',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details ? { details: this.details } : {}),
      code: this.code,
    }
  }
}

/** True for a StatusError of one of the given reasons. */
export function isStatus(error: unknown, ...reasons: StatusReason[]): error is StatusError {
  return error instanceof StatusError && (reasons.length === 0 || reasons.includes(error.reason))
}

const detailsOf = (ref: GroupResource, name: string, causes?: StatusCause[]): StatusDetails => ({
  name,
  ...(ref.group ? { group: ref.group } : {}),
  kind: ref.resource,
  ...(causes ? { causes } : {}),
})

export const errors = {
  badRequest: (message: string) => new StatusError('BadRequest', message),
  unauthorized: (message = 'Unauthorized') => new StatusError('Unauthorized', message),
  forbidden: (ref: GroupResource, name: string, why: string) =>
    new StatusError(
      'Forbidden',
      name === ''
        ? `${groupResourceName(ref)} is forbidden: ${why}`
        : `${groupResourceName(ref)} "${name}" is forbidden: ${why}`,
      detailsOf(ref, name),
    ),
  notFound: (ref: GroupResource, name: string) =>
    new StatusError('NotFound', `${groupResourceName(ref)} "${name}" not found`, detailsOf(ref, name)),
  alreadyExists: (ref: GroupResource, name: string) =>
    new StatusError('AlreadyExists', `${groupResourceName(ref)} "${name}" already exists`, detailsOf(ref, name)),
  conflict: (ref: GroupResource, name: string, why: string) =>
    new StatusError(
      'Conflict',
      `Operation cannot be fulfilled on ${groupResourceName(ref)} "${name}": ${why}`,
      detailsOf(ref, name),
    ),
  expired: (message: string) => new StatusError('Expired', message),
  methodNotAllowed: (message: string) => new StatusError('MethodNotAllowed', message),
  /** 503: the write was certainly not made; the caller may retry. */
  unavailable: (message: string, retryAfterSeconds = 1) =>
    new StatusError('ServiceUnavailable', message, { retryAfterSeconds }),
  /** 504: nobody knows whether the write was made. */
  unknownOutcome: (message: string) => new StatusError('Timeout', message),
  internal: (message: string) => new StatusError('InternalError', `Internal error occurred: ${message}`),
  /** 422 with one cause a field error; `kind` is the object's kind and group as kubectl prints it. */
  invalid: (gk: { group: string; kind: string }, name: string, causes: FieldError[]) =>
    new StatusError('Invalid', invalidMessage(gk, name, causes), {
      name,
      ...(gk.group ? { group: gk.group } : {}),
      kind: gk.kind,
      causes: causes.map(({ reason, message, field }) => ({ reason, message, field })),
    }),
}

function invalidMessage(gk: { group: string; kind: string }, name: string, causes: readonly FieldError[]): string {
  const kind = gk.group ? `${gk.kind}.${gk.group}` : gk.kind
  const lines = causes.map((cause) => `${cause.field}: ${cause.message}`)
  return `${kind} "${name}" is invalid: ${lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`}`
}

/** One violated rule: `field` is a path such as `spec.containers[0].image`; messages as upstream's field.Error. */
export interface FieldError {
  reason:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueNotSupported'
    | 'FieldValueDuplicate'
    | 'FieldValueForbidden'
    | 'FieldValueNotFound'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'FieldValueTypeInvalid'
  field: string
  message: string
}

const quoted = (value: unknown): string =>
  typeof value === 'string'
    ? JSON.stringify(value)
    : typeof value === 'object' && value !== null
      ? JSON.stringify(value)
      : String(value)

/** Builders in the words of k8s.io/apimachinery/pkg/util/validation/field. */
export const fieldErrors = {
  required: (field: string, detail = ''): FieldError => ({
    reason: 'FieldValueRequired',
    field,
    message: detail ? `Required value: ${detail}` : 'Required value',
  }),
  invalid: (field: string, value: unknown, detail: string): FieldError => ({
    reason: 'FieldValueInvalid',
    field,
    message: `Invalid value: ${quoted(value)}: ${detail}`,
  }),
  notSupported: (field: string, value: unknown, supported: readonly string[]): FieldError => ({
    reason: 'FieldValueNotSupported',
    field,
    message: `Unsupported value: ${quoted(value)}: supported values: ${supported
      .toSorted()
      .map((one) => JSON.stringify(one))
      .join(', ')}`,
  }),
  duplicate: (field: string, value: unknown): FieldError => ({
    reason: 'FieldValueDuplicate',
    field,
    message: `Duplicate value: ${quoted(value)}`,
  }),
  forbidden: (field: string, detail: string): FieldError => ({
    reason: 'FieldValueForbidden',
    field,
    message: `Forbidden: ${detail}`,
  }),
  notFound: (field: string, value: unknown): FieldError => ({
    reason: 'FieldValueNotFound',
    field,
    message: `Not found: ${quoted(value)}`,
  }),
  tooLong: (field: string, maxLength: number): FieldError => ({
    reason: 'FieldValueTooLong',
    field,
    message: `Too long: may not be more than ${maxLength} bytes`,
  }),
  tooMany: (field: string, actual: number, max: number): FieldError => ({
    reason: 'FieldValueTooMany',
    field,
    message: `Too many: ${actual}: must have at most ${max} items`,
  }),
}
