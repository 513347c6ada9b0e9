import type { KubeObject } from '../src/api/object.ts'
import { parseYaml } from '../src/schema/yaml.ts'
import { UsageError } from './command.ts'

/** An object of a manifest and where it stood, for messages. */
export interface Manifest {
  object: KubeObject
  source: string
  /** Keys that its document gives twice, with their lines. */
  duplicates: readonly string[]
}

/** The objects of a file; `duplicates` of keys are told with them, because the object has lost them. */
export function parseManifest(text: string, source: string): Manifest[] {
  // JSON is YAML; documents are parted by lines that begin with three dashes, as kubectl parts them.
  return text.split(/^---(?=\s|$)[^\n]*\n?/m).flatMap((document) => {
    const { value, duplicates } = parseDocument(document, source)
    return value === null || value === undefined ? [] : objectsOf(value, source, duplicates)
  })
}

function parseDocument(text: string, source: string): { value: unknown; duplicates: string[] } {
  try {
    return parseYaml(text)
  } catch (error) {
    throw new UsageError(`error parsing ${source}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function objectsOf(value: unknown, source: string, duplicates: readonly string[]): Manifest[] {
  const object = value as KubeObject & { items?: unknown[] }
  if (typeof value !== 'object' || Array.isArray(value))
    throw new UsageError(`error parsing ${source}: a manifest must be an object with apiVersion and kind`)
  if (typeof object.kind !== 'string' || object.kind === '')
    throw new UsageError(`error validating ${source}: kind not set`)
  if (typeof object.apiVersion !== 'string' || object.apiVersion === '')
    throw new UsageError(`error validating ${source}: apiVersion not set`)
  if (object.kind.endsWith('List') && Array.isArray(object.items))
    return object.items.flatMap((item) => objectsOf(item, source, duplicates))
  if (!object.metadata?.name && !object.metadata?.generateName)
    throw new UsageError(`error when reading ${source}: ${object.kind} has no metadata.name`)
  return [{ object, source, duplicates }]
}
