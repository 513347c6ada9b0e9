import { applyPatch, type Operation } from 'rfc6902'
import { StatusError, errors } from '../api/status-error.ts'

/** As upstream's: beyond it the request is refused before anything is tried. */
export const maxJsonPatchOperations = 10_000

/** Most bytes that `copy` operations may add together: a few copies of copies would otherwise fill the memory. */
const maxCopiedBytes = 3 * 1024 * 1024

/**
 * Applies an RFC 6902 patch and returns the new document; `document` is unchanged.
 * @throws StatusError BadRequest for a malformed patch, RequestEntityTooLarge beyond the bounds, Invalid (422) when an
 *   operation cannot be applied or a test fails
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  const operations = readOperations(patch)
  let result: unknown = structuredClone(document)
  let copiedBytes = 0
  for (const operation of operations) {
    if (operation.op === 'copy') {
      copiedBytes += JSON.stringify(resolve(result, operation.from) ?? null).length
      if (copiedBytes > maxCopiedBytes) {
        throw new StatusError(
          'RequestEntityTooLarge',
          `Unable to complete the copy, the accumulated size increase of copy is ${copiedBytes}, exceeding the limit ${maxCopiedBytes}`,
        )
      }
    }
    result = applyOperation(result, operation)
  }
  return result
}

function applyOperation(document: unknown, operation: Operation): unknown {
  if (operation.path === '') {
    if (operation.op === 'add' || operation.op === 'replace') return structuredClone(operation.value)
    if (operation.op === 'remove')
      throw rejected('remove operation does not apply: the whole document cannot be removed')
  }
  // A copy shares nothing with the document, and has the prototype that the library's messages need.
  const [failure] = applyPatch(document, [structuredClone(operation)])
  if (failure) throw rejected(`${operation.op} operation does not apply: ${failure.message || failure.name}`)
  return document
}

function readOperations(patch: unknown): Operation[] {
  if (!Array.isArray(patch)) {
    throw errors.badRequest('error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch')
  }
  if (patch.length > maxJsonPatchOperations) {
    throw new StatusError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${maxJsonPatchOperations}, got ${patch.length}`,
    )
  }
  return patch.map(readOperation)
}

const knownOperations = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test'])

function readOperation(operation: unknown): Operation {
  const fields = (typeof operation === 'object' && operation !== null ? operation : {}) as Record<string, unknown>
  if (typeof fields['op'] !== 'string' || !knownOperations.has(fields['op']))
    throw rejected(`Unexpected kind: ${typeof fields['op'] === 'string' ? fields['op'] : 'unknown'}`)
  if (!isPointer(fields['path'])) throw rejected(`${fields['op']} operation does not apply: invalid path`)
  if ((fields['op'] === 'move' || fields['op'] === 'copy') && !isPointer(fields['from']))
    throw rejected(`${fields['op']} operation does not apply: invalid from`)
  // Upstream's library takes a value that is not there for null, and clients whose encoder leaves out what is empty rely on it.
  if ((fields['op'] === 'add' || fields['op'] === 'replace') && !Object.hasOwn(fields, 'value'))
    return { ...fields, value: null } as unknown as Operation
  return fields as unknown as Operation
}

/** Names that reach behind a JavaScript object are ordinary keys nowhere in the API, so no patch needs them. */
const unsafeSegments = new Set(['__proto__', 'constructor', 'prototype'])

function isPointer(pointer: unknown): pointer is string {
  if (typeof pointer !== 'string' || (pointer !== '' && !pointer.startsWith('/'))) return false
  return !pointer.split('/').some((segment) => unsafeSegments.has(segment))
}

function resolve(document: unknown, pointer: string): unknown {
  let value = document
  for (const segment of pointer.split('/').slice(1)) {
    const key = segment.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return value
}

/** 422 as upstream's generic server response for a patch that does not fit. */
function rejected(why: string): StatusError {
  return new StatusError('Invalid', 'the server rejected our request due to an error in our request', {
    causes: [{ reason: 'UnexpectedServerResponse', message: why }],
  })
}
