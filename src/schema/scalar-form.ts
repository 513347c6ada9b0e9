import { canonicalQuantity, quantityPattern } from './quantity-form.ts'
import type { Schema } from './schema.ts'

/** A scalar as it will be stored, or why it is none of its type. */
export type ScalarResult = { value: unknown } | { mismatch: string } | { error: string }

const maxInt32 = 2 ** 31 - 1
const base64 = /^[A-Za-z0-9+/]*={0,2}$/
const timestamp = /^(\d{4}-\d{2}-\d{2})[T](\d{2}:\d{2}:\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2})$/

/**
 * Reads one scalar as Go's typed decoder would. `mismatch` is the JSON kind (with the literal for a number that does not
 * fit) for the caller's message; `error` is a whole message of the type's own parser.
 */
export function readScalar(value: unknown, schema: Schema): ScalarResult {
  switch (schema.type) {
    case 'boolean':
      return typeof value === 'boolean' ? { value } : { mismatch: kindOf(value) }
    case 'number':
      return typeof value === 'number' || typeof value === 'bigint'
        ? { value: Number(value) }
        : { mismatch: kindOf(value) }
    case 'integer':
      return readInteger(value, schema.format === 'int32')
    case 'int-or-string':
      if (typeof value === 'string') return { value }
      return readInteger(value, true)
    default:
      return readString(value, schema.format)
  }
}

function readInteger(value: unknown, narrow: boolean): ScalarResult {
  if (typeof value === 'bigint') return narrow ? { mismatch: `number ${value}` } : { value }
  if (typeof value !== 'number') return { mismatch: kindOf(value) }
  const fits =
    Number.isInteger(value) && (narrow ? value <= maxInt32 && value >= -maxInt32 - 1 : Math.abs(value) < 2 ** 63)
  return fits ? { value: value === 0 ? 0 : value } : { mismatch: `number ${value}` }
}

function readString(value: unknown, format: string | undefined): ScalarResult {
  if (format === 'quantity') return readQuantity(value)
  if (typeof value !== 'string') return { mismatch: kindOf(value) }
  if (format === 'byte') return readBase64(value)
  if (format === 'date-time') return readTime(value, 0)
  if (format === 'micro-time') return readTime(value, 6)
  return { value }
}

function readQuantity(value: unknown): ScalarResult {
  if (!['string', 'number', 'bigint'].includes(typeof value)) return { mismatch: kindOf(value) }
  const canonical = canonicalQuantity(String(value).trim())
  return canonical === undefined
    ? { error: `quantities must match the regular expression '${quantityPattern}'` }
    : { value: canonical }
}

function readBase64(value: string): ScalarResult {
  const text = value.includes('\n') || value.includes('\r') ? value.replaceAll(/[\r\n]/g, '') : value
  if (text.length % 4 === 0 && base64.test(text)) return { value: text }
  const bad = text.search(/[^A-Za-z0-9+/]/)
  return { error: `illegal base64 data at input byte ${bad < 0 ? text.length : bad}` }
}

/** metav1.Time keeps seconds, metav1.MicroTime microseconds; both are written in UTC. */
function readTime(value: string, decimals: 0 | 6): ScalarResult {
  const match = timestamp.exec(value)
  const instant = match ? Date.parse(value) : Number.NaN
  if (!match || Number.isNaN(instant)) {
    return {
      error: `parsing time ${JSON.stringify(value)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(value)} as "2006"`,
    }
  }
  const seconds = new Date(Math.floor(instant / 1000) * 1000).toISOString().slice(0, 19)
  const fraction = decimals === 0 ? '' : `.${(match[3] ?? '.').slice(1, 1 + decimals).padEnd(decimals, '0')}`
  return { value: `${seconds}${fraction}Z` }
}

/** What encoding/json calls a JSON value in its errors. */
export function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value === 'bigint' ? 'number' : typeof value
}
