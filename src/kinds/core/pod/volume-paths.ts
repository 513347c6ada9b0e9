import type { KeyToPath } from '../../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../../api/status-error.ts'

export function validateMode(mode: number | undefined, path: string): FieldError[] {
  return mode !== undefined && (mode < 0 || mode > 0o777)
    ? [fieldErrors.invalid(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive')]
    : []
}

export function validateItems(items: readonly KeyToPath[] | undefined, path: string): FieldError[] {
  return (items ?? []).flatMap(({ key, path: target, mode }, index) => [
    ...(key ? [] : [fieldErrors.required(`${path}[${index}].key`)]),
    ...(target ? [] : [fieldErrors.required(`${path}[${index}].path`)]),
    ...relativePath(target ?? '', `${path}[${index}].path`),
    ...validateMode(mode, `${path}[${index}].mode`),
  ])
}

/** A path that does not climb. */
export const noBacksteps = (target: string, path: string): FieldError[] =>
  target.split('/').includes('..') ? [fieldErrors.invalid(path, target, "must not contain '..'")] : []

/** A path below the volume's root. */
export function relativePath(target: string, path: string): FieldError[] {
  if (target.startsWith('/')) return [fieldErrors.invalid(path, target, 'must be a relative path')]
  return noBacksteps(target, path)
}
