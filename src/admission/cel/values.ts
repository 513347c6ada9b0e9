import type { Schema } from '../../schema/schema.ts'

/**
 * JSON as CEL sees it: whole numbers are int (bigint), others double. With a schema, fields of type number stay
 * doubles, `date-time` becomes a timestamp and `byte` becomes bytes, as for CRDs and built-in kinds upstream.
 */
export function toCel(value: unknown, schema?: Schema): unknown {
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && schema?.type !== 'number' ? BigInt(value) : value
  }
  if (typeof value === 'string' && schema?.format === 'date-time') return dateOr(value)
  if (typeof value === 'string' && schema?.format === 'byte') return new Uint8Array(Buffer.from(value, 'base64'))
  if (Array.isArray(value)) return value.map((item) => toCel(item, schema?.items))
  if (typeof value !== 'object' || value === null || isOpaque(value)) return value
  const converted: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined) converted[key] = toCel(item, schema?.fields.get(key)?.schema ?? schema?.values)
  }
  return converted
}

/** What an expression returned, as JSON. Values that JSON has no form for become text. */
export function fromCel(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) return value.map(fromCel)
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), fromCel(item)]))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromCel(item)]))
}

/** Values of our own types (authorizer, quantity) are not looked into. */
function isOpaque(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype !== Object.prototype && prototype !== null && !Array.isArray(value)
}

function dateOr(text: string): Date | string {
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? text : date
}
