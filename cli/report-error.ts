import { StatusError } from '../src/api/status-error.ts'
import { type Io, UsageError } from './command.ts'

/** As kubectl words what went wrong; `about` says what was being done. */
export function describeError(error: unknown, about?: string): string {
  if (error instanceof StatusError) return describeStatus(error, about)
  const message = error instanceof Error ? error.message : String(error)
  if (message.startsWith('Error in configuration: ')) return message
  if (error instanceof UsageError && /^error: |^Error from server/.test(message)) return message
  return `error: ${message}`
}

function describeStatus(error: StatusError, about: string | undefined): string {
  if (error.reason === 'Unauthorized') return 'error: You must be logged in to the server (Unauthorized)'
  if (error.reason === 'Invalid') return describeInvalid(error)
  return `Error from server (${error.reason}): ${about ? `${about}: ` : ''}${error.message}`
}

function describeInvalid({ message, details }: StatusError): string {
  const { kind = '', name = '', causes = [] } = details ?? {}
  const head = kind === '' && name === '' ? 'The request is invalid' : `The ${kind} "${name}" is invalid`
  const said = [...new Set(causes.map((cause) => `${cause.field ?? ''}: ${cause.message ?? ''}`))]
  if (said.length === 0) return kind === '' && name === '' ? `${head}: ${message}` : head
  return said.length === 1 ? `${head}: ${said[0]}` : `${head}: \n${said.map((one) => `* ${one}`).join('\n')}`
}

export const reportError = (io: Io, error: unknown, about?: string): void => io.err(`${describeError(error, about)}\n`)
