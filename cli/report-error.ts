import { StatusError } from '../src/api/status-error.ts'
import type { Io } from './command.ts'

/** As kubectl words what a server refused; `about` says what was being done. */
export function describeError(error: unknown, about?: string): string {
  if (!(error instanceof StatusError)) return error instanceof Error ? error.message : String(error)
  const prefix = error.reason === 'Invalid' ? 'The' : `Error from server (${error.reason}):`
  const text =
    error.reason === 'Invalid'
      ? `${prefix} ${error.message}`
      : about
        ? `${prefix} ${about}: ${error.message}`
        : `${prefix} ${error.message}`
  const causes = error.details?.causes ?? []
  return causes.length > 1 ? `${text}\n${causes.map((cause) => `* ${cause.field}: ${cause.message}`).join('\n')}` : text
}

export const reportError = (io: Io, error: unknown, about?: string): void => io.err(`${describeError(error, about)}\n`)
