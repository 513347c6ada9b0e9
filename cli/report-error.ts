import { StatusError } from '../src/api/status-error.ts'
import { type Io, UsageError } from './command.ts'

/** As kubectl words what went wrong; `about` says what was being done. */
export function describeError(error: unknown, about?: string): string {
  if (error instanceof StatusError) return describeStatus(error, about)
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof UsageError && /^error\b|^Error from server/.test(message)) return message
  return `error: ${message}`
}

function describeStatus(error: StatusError, about: string | undefined): string {
  if (error.reason === 'Unauthorized') return 'error: You must be logged in to the server (Unauthorized)'
  const causes = error.details?.causes ?? []
  if (error.reason === 'Invalid') {
    if (causes.length < 2) return `The ${error.message}`
    const { kind = '', name = '', group } = error.details ?? {}
    const lines = causes.map((cause) => `* ${cause.field}: ${cause.message}`)
    return `The ${group ? `${kind}.${group}` : kind} "${name}" is invalid: \n${lines.join('\n')}`
  }
  return `Error from server (${error.reason}): ${about ? `${about}: ` : ''}${error.message}`
}

export const reportError = (io: Io, error: unknown, about?: string): void => io.err(`${describeError(error, about)}\n`)
