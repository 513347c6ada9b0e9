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
  for (const field of ['apiVersion', 'kind'] as const) {
    if (head[field] !== undefined && head[field] !== null && typeof head[field] !== 'string')
      throw errors.badRequest(`${cannotHandle(definition)}: ${field} must be a string`)
  }
  const apiVersion = apiVersionOf(definition)
  if ((head.apiVersion ?? apiVersion) !== apiVersion || (head.kind ?? definition.kind) !== definition.kind) {
    throw errors.badRequest(
      `the API version in the data (${head.apiVersion ?? ''}, Kind=${head.kind ?? ''}) does not match the expected API version (${apiVersion}, Kind=${definition.kind})`,
    )
  }
  const decoded = types.conform(definition, { ...value, apiVersion, kind: definition.kind })
  judgeStrictErrors([...decoded.strictErrors, ...body.strictErrors], options, context, (list) =>
    errors.badRequest(`${cannotHandle(definition)}: strict decoding error: ${list}`),
  )
  const object = decoded.value as KubeObject
  object.metadata ??= {}
  return object
}

/**
 * As {@link decodeBody}, for an applied configuration: who owns a field that no schema knows cannot be said, so it is
 * refused whatever `fieldValidation` says; repeated keys are judged.
 */
export function decodeApplied(
  types: TypeSystem,
  definition: ResourceDefinition,
  body: Decoded,
  options: WriteOptions,
  context: RequestContext,
): KubeObject {
  const unknown: string[] = []
  const listening = { ...context, warn: (text: string) => void unknown.push(text) }
  const object = decodeBody(
    types,
    definition,
    { value: body.value, strictErrors: [] },
    { ...options, fieldValidation: 'Warn' },
    listening,
  )
  const path = unknown.map((text) => /^unknown field "(.*)"$/.exec(text)?.[1]).find((one) => one !== undefined)
  if (path !== undefined) {
    const { namespace, name } = object.metadata
    const subject = `${namespace ? `${namespace}/` : ''}${name ?? ''}; ${apiVersionOf(definition)}, Kind=${definition.kind}`
    throw errors.badRequest(`failed to create typed patch object (${subject}): .${path}: field not declared in schema`)
  }
  judgeStrictErrors(body.strictErrors, options, context, (list) =>
    errors.badRequest(`error strict decoding YAML: error converting YAML to JSON: ${list}`),
  )
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
