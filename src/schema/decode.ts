import { errors } from '../api/status-error.ts'
import { conform } from './conform.ts'
import { countMembers, findInJson, scanJson } from './json-scan.ts'
import type { Decoded, Schema } from './schema.ts'
import { structName } from './go-type.ts'
import { parseYaml } from './yaml.ts'

/** Deepest nesting of a body. The walks recurse, and no kind comes near it. */
export const maxBodyDepth = 500

const utf8 = new TextDecoder('utf-8', { fatal: false })

/**
 * Parses JSON of unknown kind (patches, review bodies): the value as JSON.parse gives it and a strict error for each
 * repeated key, of which the last value counts.
 *
 * Numbers are doubles. An int64 that a double cannot hold is refused with 400 rather than rounded: a number that comes
 * back different would be a lie that no client notices. (Upstream rounds only what lies outside int64.)
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
  const { duplicates, rounded } = findInJson(text)
  const lost = rounded[0]
  if (lost) {
    throw errors.badRequest(
      `json: cannot keep number ${lost.literal} in ${lost.path || 'the body'}: integers beyond 2^53 must be exactly representable; write it as a string`,
    )
  }
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
  const { value, duplicates } = parseYaml(text)
  // Aliases may share one node in several places; the walk changes nodes in place, so each place gets its own.
  const { value: own } = parseJson(JSON.stringify(value))
  return { value: own, strictErrors: [...duplicates, ...conform(own, schema)] }
}

function unrecognised(error: unknown, schema: Schema): unknown {
  if (!(error instanceof Error) || !error.message.startsWith('json parse error')) return error
  const kind = schema.kinds?.[0]?.[2] ?? structName(schema)
  return errors.badRequest(
    `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; ${error.message}`,
  )
}
