type Line = { indent: number; text: string }

/** Deeper nesting is left to the whole parser. */
const maxDepth = 16

/**
 * Reads the YAML in which tools write kubeconfigs: block mappings and sequences, plain and double-quoted scalars on one
 * line. Returns undefined for whatever goes beyond that, which is then for a whole YAML parser: loading one and having it
 * read a kubeconfig takes longer than everything else that a command does.
 */
export function parsePlainYaml(text: string): unknown {
  const lines: Line[] = []
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(?:#|$)/.test(line) || (line === '---' && lines.length === 0)) continue
    const indent = line.search(/\S/)
    if (line.slice(0, indent).includes('\t')) return undefined
    lines.push({ indent, text: line.slice(indent).trimEnd() })
  }
  if (lines.length === 0) return undefined
  try {
    const reader = new Reader(lines)
    const value = reader.block(lines[0]!.indent, 0)
    return reader.isAtEnd() ? value : undefined
  } catch (error) {
    if (error instanceof NotPlain) return undefined
    throw error
  }
}

class NotPlain extends Error {}

class Reader {
  readonly #lines: Line[]
  #at = 0

  constructor(lines: Line[]) {
    this.#lines = lines
  }

  isAtEnd(): boolean {
    return this.#at === this.#lines.length
  }

  block(indent: number, depth: number): unknown {
    if (depth > maxDepth) throw new NotPlain()
    return /^-(?: |$)/.test(this.#lines[this.#at]!.text) ? this.#sequence(indent, depth) : this.#mapping(indent, depth)
  }

  #sequence(indent: number, depth: number): unknown[] {
    const items: unknown[] = []
    for (;;) {
      const line = this.#lines[this.#at]
      if (line?.indent !== indent || !/^- ./.test(line.text)) return items
      const rest = line.text.slice(2).trimStart()
      const inner = indent + line.text.length - rest.length
      if (isEntry(rest)) {
        // What follows the dash is the first line of a mapping that stands where its key stands.
        this.#lines[this.#at] = { indent: inner, text: rest }
        items.push(this.#mapping(inner, depth + 1))
      } else {
        this.#at++
        items.push(scalar(rest))
      }
    }
  }

  #mapping(indent: number, depth: number): Record<string, unknown> {
    const entries = new Map<string, unknown>()
    for (;;) {
      const line = this.#lines[this.#at]
      if (line?.indent !== indent) {
        if (line && line.indent > indent) throw new NotPlain()
        break
      }
      const found = entryPattern.exec(line.text)
      if (!found) {
        // A sequence that ends this mapping stands no deeper than it.
        if (line.text.startsWith('- ')) break
        throw new NotPlain()
      }
      const [, key = '', value = ''] = found
      if (entries.has(key) || key === '__proto__') throw new NotPlain()
      this.#at++
      entries.set(key, value === '' ? this.#nested(indent, depth) : scalar(value))
    }
    if (entries.size === 0) throw new NotPlain()
    return Object.fromEntries(entries)
  }

  /** The value of a key with nothing behind it: a deeper block, a sequence at the key's own depth, or null. */
  #nested(indent: number, depth: number): unknown {
    const next = this.#lines[this.#at]
    if (next && next.indent > indent) return this.block(next.indent, depth + 1)
    if (next?.indent === indent && next.text.startsWith('- ')) return this.#sequence(indent, depth + 1)
    return null
  }
}

const entryPattern = /^([A-Za-z_][\w./-]*):(?: +(.*))?$/
const isEntry = (text: string): boolean => entryPattern.test(text)

/** Words that YAML 1.1 or 1.2 may take for something else than text are left to the whole parser. */
const typed = /^(?:[-+]?[\d.]|[~?|>&*!%@`'#,[\]{}-]|(?:null|yes|no|on|off|y|n|\.inf|\.nan)$)/i

function scalar(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  if (text === '{}') return {}
  if (text === '[]') return []
  if (text === '""') return ''
  if (/^"[^"\\]*"$/.test(text)) return text.slice(1, -1)
  if (text.startsWith('"') || typed.test(text) || /: |:$| #/.test(text)) throw new NotPlain()
  return text
}
