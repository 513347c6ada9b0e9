import { RuntimeError, type RuntimeErrorKind } from '../runtime.ts'

/** Socket errors that mean "no daemon there", not "the daemon says no". */
const unreachableCodes = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EACCES'])

/** What docker-modem puts before the daemon's own words. */
const modemPrefix = /^\(HTTP code \d+\) [^-]*- /

/** Whatever dockerode threw, as a RuntimeError; aborts are passed on as they are. */
export function dockerError(error: unknown): Error {
  if (error instanceof RuntimeError) return error
  if (!(error instanceof Error)) return new RuntimeError('failed', String(error))
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return error
  const { statusCode, code, json } = error as Error & {
    statusCode?: number
    code?: string
    json?: { message?: string }
  }
  const message = json?.message ?? error.message.replace(modemPrefix, '').trim()
  if (statusCode === undefined) {
    const kind = code !== undefined && unreachableCodes.has(code) ? 'unreachable' : 'failed'
    return new RuntimeError(kind, message, { cause: error })
  }
  return new RuntimeError(kindOf(statusCode, message), message, { cause: error })
}

function kindOf(statusCode: number, message: string): RuntimeErrorKind {
  if (statusCode === 404) return 'not-found'
  // Podman answers 500 for a name that is taken.
  if (statusCode === 409 || /name .* is already in use/.test(message)) return 'conflict'
  if (statusCode === 400) return 'invalid'
  return statusCode === 401 || statusCode === 403 ? 'unauthorized' : 'failed'
}

/** Runs a call to the daemon; its errors become {@link RuntimeError}. */
export async function asking<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw dockerError(error)
  }
}

/** As {@link asking}, but what is not there (or is in that state already) is undefined. */
export async function askingFor<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call()
  } catch (error) {
    const wrapped = dockerError(error)
    const { statusCode } = error as { statusCode?: number }
    if (statusCode === 404 || statusCode === 304) return undefined
    throw wrapped
  }
}
