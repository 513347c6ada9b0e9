import type { KubeObject } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import { parseLabelSelector } from '../lib/label-selector-text.ts'
import {
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  SelectorError,
  unknownField,
  type FieldRequirement,
} from '../lib/selector.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import { apiVersionOf } from './api-version.ts'
import type { ListRequest } from './options.ts'

/** Whether an object is meant by the request's selectors. Throws BadRequest for selectors that cannot be read. */
export function selectorOf(
  definition: ResourceDefinition,
  request: Pick<ListRequest, 'labelSelector' | 'fieldSelector'>,
): (object: KubeObject) => boolean {
  const labels = read(request.labelSelector, parseLabelSelector)
  const fields = read(request.fieldSelector, parseFieldSelector)
  if (fields.length > 0) refuseUnknownFields(definition, fields, request.fieldSelector ?? '')
  return (object) =>
    matchesLabels(labels, object.metadata.labels) &&
    (fields.length === 0 || matchesFields(fields, definition.selectableFields(object)))
}

function read<T>(text: string | undefined, parse: (text: string) => T[]): T[] {
  if (text === undefined || text.trim() === '') return []
  try {
    return parse(text)
  } catch (error) {
    if (error instanceof SelectorError) throw errors.badRequest(error.message)
    throw error
  }
}

function refuseUnknownFields(definition: ResourceDefinition, fields: readonly FieldRequirement[], text: string): void {
  const apiVersion = apiVersionOf(definition)
  const known = definition.selectableFields({ apiVersion, kind: definition.kind, metadata: {} })
  const unknown = unknownField(fields, known)
  if (unknown === undefined) return
  throw errors.badRequest(
    `Unable to find ${JSON.stringify(`${apiVersion}, Resource=${definition.resource}`)} that match label selector "", field selector ${JSON.stringify(text)}: field label not supported: ${unknown}`,
  )
}
