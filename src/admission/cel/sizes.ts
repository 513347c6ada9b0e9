import type { Schema } from '../../schema/schema.ts'

/** Largest request body that counts, in bytes of JSON: what no schema bounds is bounded by it. */
export const maxRequestBytes = 3 * 1024 * 1024
/** Deepest nesting of schemas whose size is looked into; what is deeper counts as the smallest value. */
const maxDepth = 30
/** A character is told by maxLength, what is counted are bytes: at most so many a character. */
const maxBytesPerCharacter = 4
/** Longest values of formats, in characters of JSON. */
const formatSizes: Readonly<Record<string, number>> = { duration: 32, date: 12, 'date-time': 32 }

/** Most elements that a list or map of this schema can have. 1 for anything else. */
export function maxElements({ items, values, rules }: Schema): number {
  if (items) return rules?.maxItems ?? Math.floor((maxRequestBytes - 2) / (minBytes(items) + 1))
  // `"":` and a comma beside each value.
  if (values) return rules?.maxProperties ?? Math.floor((maxRequestBytes - 2) / (minBytes(values) + 4))
  return 1
}

/** What there is to walk through in a value of this schema: characters of a text, elements of a list or map, else 1. */
export function maxSize(schema: Schema): number {
  const { type, format, rules } = schema
  if (type === 'int-or-string') return maxRequestBytes - 2
  if (type !== 'string') return maxElements(schema)
  const named = formatSizes[format ?? '']
  if (named !== undefined) return named
  if (rules?.maxLength !== undefined) return Math.min(rules.maxLength * maxBytesPerCharacter, maxRequestBytes - 2)
  if (rules?.enum) return Math.max(0, ...rules.enum.map((one) => String(one).length))
  return maxRequestBytes - 2
}

/** Most values of this schema that one request has room for, anywhere. */
export const mostInRequest = (schema: Schema): number => Math.floor((maxRequestBytes - 2) / (minBytes(schema) + 1))

/** Bytes of JSON of the smallest value. */
function minBytes(schema: Schema, depth = 0): number {
  if (depth > maxDepth) return 1
  switch (schema.type) {
    case 'boolean':
      return 4
    case 'string':
    case 'array':
      return 2 + (schema.type === 'string' ? (schema.rules?.minLength ?? 0) : 0)
    case 'object': {
      const needed = [...schema.fields].filter(
        ([name, { default: value }]) => schema.required?.includes(name) && value === undefined,
      )
      return needed.reduce((total, [name, field]) => total + name.length + 4 + minBytes(field.schema, depth + 1), 2)
    }
    default:
      return 1
  }
}
