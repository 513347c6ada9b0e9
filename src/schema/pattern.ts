import { RE2JS } from 're2js'

/** Compiled patterns kept; each CRD has few, and a thousand of them are still small. */
const maxPatterns = 2_000

const compiled = new Map<string, RE2JS | undefined>()

/**
 * Whether `value` contains a match of an RE2 pattern (linear time: a pattern of a user's cannot hang the server).
 * A pattern that does not compile matches nothing.
 */
export function matchesPattern(pattern: string, value: string): boolean {
  if (!compiled.has(pattern)) {
    if (compiled.size >= maxPatterns) compiled.delete(compiled.keys().next().value!)
    compiled.set(pattern, compilePattern(pattern))
  }
  return compiled.get(pattern)?.matcher(value).find() ?? false
}

/** The pattern, or undefined when it is no RE2 expression. */
export function compilePattern(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(pattern)
  } catch {
    return undefined
  }
}
