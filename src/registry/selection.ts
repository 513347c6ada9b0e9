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
import type { ListRequest, Target } from './options.ts'

/** What the selectors of a request ask for. */
export interface Selection {
  /** What is the same in every version of a kind: namespace, name and labels. */
  common(object: KubeObject): boolean
  /** What must be looked for in the version of the request. Undefined where it says no more than `common`. */
  fields: ((object: KubeObject) => boolean) | undefined
}

const commonFields = new Set(['metadata.name', 'metadata.namespace'])

/** Reads the selectors of a request for a kind in one version. Throws BadRequest for those that cannot be read. */
export function selectionOf(
  definition: ResourceDefinition,
  target: Pick<Target, 'namespace' | 'name'>,
  request: Pick<ListRequest, 'labelSelector' | 'fieldSelector'>,
): Selection {
  const labels = read(request.labelSelector, parseLabelSelector)
  const fields = read(request.fieldSelector, parseFieldSelector)
  if (fields.length > 0) refuseUnknownFields(definition, fields, request.fieldSelector ?? '')
  const about = fields.filter(({ field }) => commonFields.has(field))
  const others = fields.filter(({ field }) => !commonFields.has(field))
  return {
    common({ metadata }) {
      const { namespace = '', name = '' } = metadata
      return (
        (target.namespace === '' || namespace === target.namespace) &&
        (target.name === '' || name === target.name) &&
        matchesLabels(labels, metadata.labels) &&
        (about.length === 0 || matchesFields(about, { 'metadata.name': name, 'metadata.namespace': namespace }))
      )
    },
    fields: others.length === 0 ? undefined : (object) => matchesFields(others, definition.selectableFields(object)),
  }
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
