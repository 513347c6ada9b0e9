import type { KubeObject } from '../../../src/api/object.ts'
import { eventLines } from './events.ts'
import { type DescribeContext, headLines, indent } from './lines.ts'

/** Any kind without a describer of its own: its fields with spaced names, sorted, as kubectl's generic describer has it. */
export function describeGeneric(object: KubeObject, context: DescribeContext): string[] {
  const { metadata, ...fields } = object
  const { name: _, namespace: __, labels: ___, annotations: ____, managedFields: _____, ...rest } = metadata
  return [...headLines(object), ...fieldLines({ metadata: rest, ...fields }), ...eventLines(context)]
}

function fieldLines(fields: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, value]) => valueLines(spacedName(key), value))
}

function valueLines(title: string, value: unknown): string[] {
  if (Array.isArray(value)) return [`${title}:`, ...indent(1, value.flatMap(itemLines))]
  if (typeof value === 'object' && value !== null)
    return [`${title}:`, ...indent(1, fieldLines(value as Record<string, unknown>))]
  return `${title}:\t${scalarText(value)}`.split('\n')
}

function itemLines(item: unknown): string[] {
  if (Array.isArray(item)) return item.flatMap(itemLines)
  if (typeof item === 'object' && item !== null) return fieldLines(item as Record<string, unknown>)
  return scalarText(item).split('\n')
}

const scalarText = (value: unknown): string => (value === null ? '<nil>' : String(value))

/** `observedGeneration` becomes `Observed Generation`, `podCIDR` becomes `Pod CIDR`; keys with digits or signs stay. */
export function spacedName(key: string): string {
  if (!/^[\p{L}-]+$/u.test(key)) return key
  const words = key.match(/[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^A-Za-z]+/g) ?? [key]
  return words
    .map((word) => (acronyms.has(word.toUpperCase()) ? word.toUpperCase() : word[0]!.toUpperCase() + word.slice(1)))
    .join(' ')
}

/** Words that kubectl writes all in capitals. */
const acronyms = new Set(['API', 'URL', 'UID', 'OSB', 'GUID'])
