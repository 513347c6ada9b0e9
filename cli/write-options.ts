import { outputOptions } from './output-format.ts'
import { type Invocation, option, type OptionDefinition, UsageError } from './command.ts'

export type DryRun = 'none' | 'client' | 'server'

/** Options of what writes objects one by one. */
export const writeOptions: readonly OptionDefinition[] = [
  { flags: '--dry-run <how>', summary: 'none, client or server', default: 'none' },
  ...outputOptions,
  { flags: '--field-manager <name>', summary: 'who is recorded as the owner of the fields' },
]

export const createOptions: readonly OptionDefinition[] = [
  ...writeOptions,
  { flags: '--validate <how>', summary: 'strict, warn or ignore', default: 'strict' },
  { flags: '--save-config', summary: 'accepted; apply needs no record in the object' },
]

export function dryRunOf(invocation: Invocation): DryRun {
  const how = option.text(invocation, 'dryRun') ?? 'none'
  if (how === 'none' || how === 'client' || how === 'server') return how
  throw new UsageError(`Invalid dry-run value (${how}). Must be "none", "server", or "client".`)
}

export const dryRunSuffix = (how: DryRun): string =>
  how === 'none' ? '' : how === 'server' ? ' (server dry run)' : ' (dry run)'

const validations = new Map([
  ['strict', 'Strict'],
  ['true', 'Strict'],
  ['warn', 'Warn'],
  ['ignore', 'Ignore'],
  ['false', 'Ignore'],
])

/** `--validate` as the query parameter fieldValidation. */
export function fieldValidationOf(invocation: Invocation): string {
  const validate = option.text(invocation, 'validate') ?? 'strict'
  const found = validations.get(validate)
  if (found === undefined)
    throw new UsageError(
      `invalid - validate option "${validate}"; must be one of: strict (or true), warn, ignore (or false)`,
    )
  return found
}
