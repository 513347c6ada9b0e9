import type { KubeObject } from '../api/object.ts'
import { errors, type StatusError } from '../api/status-error.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import type { Decoded } from '../schema/schema.ts'
import { apiVersionOf } from './api-version.ts'
import type { WriteOptions } from './options.ts'
import type { RequestContext, TypeSystem } from './ports.ts'

/**
 * Body → typed object, unknown and duplicate fields judged as `fieldValidation` says (KEP-2885; default Warn).
 * Throws BadRequest.
 */
export function decodeBody(
  types: TypeSystem,
  definition: ResourceDefinition,
  body: Decoded,
  options: WriteOptions,
  context: RequestContext,
): KubeObject {
  const value = body.value
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw errors.badRequest(`${cannotHandle(definition)}: the body must be one object`)
  }
  const head = value as Partial<KubeObject>
  const apiVersion = apiVersionOf(definition)
  if ((head.apiVersion ?? apiVersion) !== apiVersion || (head.kind ?? definition.kind) !== definition.kind) {
    throw errors.badRequest(
      `the API version in the data (${head.apiVersion ?? ''}, Kind=${head.kind ?? ''}) does not match the expected API version (${apiVersion}, Kind=${definition.kind})`,
    )
  }
  const decoded = types.conform(definition, { ...value, apiVersion, kind: definition.kind })
  judgeStrictErrors([...body.strictErrors, ...decoded.strictErrors], options, context, (list) =>
    errors.badRequest(`${cannotHandle(definition)}: strict decoding error: ${list}`),
  )
  const object = decoded.value as KubeObject
  object.metadata ??= {}
  return object
}

/** Refuses, warns or stays silent. */
export function judgeStrictErrors(
  strictErrors: readonly string[],
  options: WriteOptions,
  context: RequestContext,
  refusal: (list: string) => StatusError,
): void {
  if (strictErrors.length === 0 || options.fieldValidation === 'Ignore') return
  if (options.fieldValidation === 'Strict') throw refusal(strictErrors.join(', '))
  for (const error of strictErrors) context.warn(error)
}

const cannotHandle = (definition: ResourceDefinition): string =>
  `${definition.kind} in version ${JSON.stringify(definition.version)} cannot be handled as a ${definition.kind}`
