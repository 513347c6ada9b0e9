import { isMap, isScalar, LineCounter, parseDocument, visit, type Tags } from 'yaml'
import { errors } from '../api/status-error.ts'
import { parseExact } from '../lib/exact-json.ts'

/** Aliases multiply a document: a few dozen repetitions are honest use, a bomb needs thousands. */
const maxAliasCount = 100

/** What YAML 1.1 knows and Kubernetes' parser (go-yaml to JSON) does not: these stay strings. */
const foreignTags = new Set(['intTime', 'floatTime', 'timestamp', 'binary', 'set', 'omap', 'pairs'])

const jsonTags = (tags: Tags): Tags =>
  tags.filter((tag) => {
    if (typeof tag === 'string') return !foreignTags.has(tag)
    const name = tag.tag.split(':').at(-1) ?? ''
    const sexagesimal = 'format' in tag && tag.format === 'TIME'
    return !sexagesimal && !foreignTags.has(name)
  })

/**
 * Parses one YAML 1.1 document as sigs.k8s.io/yaml does: to JSON values, booleans such as `yes` and `on` included.
 * @returns the value and a message for each repeated key
 * @throws StatusError BadRequest for malformed text, several documents and alias bombs
 */
export function parseYaml(text: string): { value: unknown; duplicates: string[] } {
  const { json, duplicates } = yamlToJson(text)
  return { value: parseExact(json), duplicates }
}

/** {@link parseYaml}, but to JSON text: aliases are written out, integers as their digits. */
export function yamlToJson(text: string): { json: string; duplicates: string[] } {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, {
    version: '1.1',
    merge: true,
    uniqueKeys: false,
    intAsBigInt: true,
    customTags: jsonTags,
    lineCounter,
    prettyErrors: false,
    logLevel: 'silent',
  })
  const failure = document.errors[0]
  if (failure) {
    const { line } = lineCounter.linePos(failure.pos[0])
    throw errors.badRequest(`error converting YAML to JSON: yaml: line ${line}: ${failure.message}`)
  }
  const duplicates: string[] = []
  visit(document, {
    Map(_, node) {
      const seen = new Set<string>()
      for (const { key } of node.items) {
        if (!isScalar(key)) continue
        const name = String(key.value)
        if (seen.has(name) && name !== '<<') {
          const line = lineCounter.linePos(key.range?.[0] ?? 0).line
          duplicates.push(`yaml: unmarshal errors:\n  line ${line}: key ${JSON.stringify(name)} already set in map`)
        }
        seen.add(name)
      }
    },
  })
  try {
    const value: unknown = isMap(document.contents) ? document.toJS({ maxAliasCount }) : document.toJSON()
    return { json: JSON.stringify(value ?? null), duplicates }
  } catch (error) {
    throw errors.badRequest(
      `error converting YAML to JSON: yaml: ${error instanceof Error ? error.message : 'unreadable'}`,
    )
  }
}
