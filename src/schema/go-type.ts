import type { Schema } from './schema.ts'

const importNames: Readonly<Record<string, string>> = {
  'pkg.apis.meta.v1': 'v1',
  'pkg.api.resource': 'resource',
  'pkg.util.intstr': 'intstr',
  'pkg.runtime': 'runtime',
}

/** The Go struct name of a definition: the last segment of its OpenAPI name. */
export function structName(schema: Schema): string {
  return schema.name?.slice(schema.name.lastIndexOf('.') + 1) ?? 'Object'
}

/** The Go type as encoding/json prints it in its errors: `int32`, `[]v1.Container`, `map[string]string`. */
export function goType(schema: Schema): string {
  if (schema.name) {
    const segments = schema.name.split('.')
    const known = Object.entries(importNames).find(([path]) => schema.name!.includes(path))
    return `${known?.[1] ?? segments.at(-2)}.${segments.at(-1)}`
  }
  if (schema.items) return `[]${goType(schema.items)}`
  if (schema.values) return `map[string]${goType(schema.values)}`
  if (schema.format === 'byte') return '[]uint8'
  if (schema.type === 'integer') return schema.format ?? 'int64'
  if (schema.type === 'number') return 'float64'
  if (schema.type === 'boolean') return 'bool'
  return schema.type === 'string' ? 'string' : 'map[string]interface {}'
}
