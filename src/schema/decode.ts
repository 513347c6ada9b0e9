import { errors } from '../api/status-error.ts'
import { parseExact } from '../lib/exact-json.ts'
import { conform } from './conform.ts'
import { countMembers, repeatedKeys, scanJson } from './json-scan.ts'
import type { Decoded, Schema } from './schema.ts'
import { structName } from './go-type.ts'
import { yamlToJson } from './yaml.ts'

/** Deepest nesting of a body. The walks recurse, and no kind comes near it. */
export const maxBodyDepth = 500

const utf8 = new TextDecoder('utf-8', { fatal: false })

/**
 * Parses JSON of unknown kind (patches, review bodies): the value as JSON.parse gives it and a strict error for each
 * repeated key, of which the last value counts.
 *
 * Integers are kept exactly within int64 (see {@link parseExact}), other numbers are doubles.
 * @throws StatusError BadRequest
 */
export function parseJson(bytes: Uint8Array | string): Decoded {
  const text = typeof bytes === 'string' ? bytes : utf8.decode(bytes)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw errors.badRequest(`json parse error: ${error instanceof Error ? error.message : 'unreadable'}`)
  }
  const scan = scanJson(text)
  if (scan.depth > maxBodyDepth) throw errors.badRequest(`json: exceeded max depth of ${maxBodyDepth}`)
  const repeats = scan.members > 0 && countMembers(value) !== scan.members
  if (!repeats && !scan.longInteger) return { value, strictErrors: [] }
  if (scan.longInteger) value = parseExact(text)
  const duplicates = repeats ? repeatedKeys(text) : []
  return { value, strictErrors: duplicates.map((path) => `duplicate field "${path}"`) }
}

/**
 * Decodes a request body of a known kind. See {@link conform} for what happens to its fields.
 * @throws StatusError BadRequest
 */
export function decodeJson(bytes: Uint8Array | string, schema: Schema): Decoded {
  let parsed: Decoded
  try {
    parsed = parseJson(bytes)
  } catch (error) {
    throw unrecognised(error, schema)
  }
  return { value: parsed.value, strictErrors: [...parsed.strictErrors, ...conform(parsed.value, schema)] }
}

/** {@link decodeJson} for a YAML body: one document, YAML 1.1 as upstream reads it, aliases bounded. */
export function decodeYaml(text: string, schema: Schema): Decoded {
  const { json, duplicates } = yamlToJson(text)
  const { value } = parseJson(json)
  return { value, strictErrors: [...duplicates, ...conform(value, schema)] }
}

function unrecognised(error: unknown, schema: Schema): unknown {
  if (!(error instanceof Error) || !error.message.startsWith('json parse error')) return error
  const kind = schema.kinds?.[0]?.[2] ?? structName(schema)
  return errors.badRequest(
    `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; ${error.message}`,
  )
}
