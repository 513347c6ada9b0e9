/** What one pass over JSON text learns that JSON.parse does not tell. */
export interface JsonScan {
  /** Object members in the text, duplicates included. */
  members: number
  /** Deepest nesting of objects and lists. */
  depth: number
  /** Some integer literal has more than fifteen digits: a double may not hold it exactly. */
  longInteger: boolean
}

const quote = 0x22
const backslash = 0x5c

/**
 * Counts members, depth and long integers in text that JSON.parse accepted. One pass without allocation: this is in
 * the way of every request body.
 */
export function scanJson(text: string): JsonScan {
  let members = 0
  let depth = 0
  let deepest = 0
  let digits = 0
  let longInteger = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code >= 0x30 && code <= 0x39) {
      if (++digits > 15) longInteger = true
      continue
    }
    digits = 0
    if (code === quote) {
      at = endOfString(text, at)
    } else if (code === 0x3a) members++
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > deepest) deepest = depth
    } else if (code === 0x7d || code === 0x5d) depth--
  }
  return { members, depth: deepest, longInteger }
}

/** Index of the quote that closes the string which opens at `start`. */
function endOfString(text: string, start: number): number {
  let at = start
  for (;;) {
    at = text.indexOf('"', at + 1)
    if (at < 0) return text.length
    let escapes = 0
    while (text.charCodeAt(at - 1 - escapes) === backslash) escapes++
    if (escapes % 2 === 0) return at
  }
}

/** Members of a parsed value; fewer than in its text when the text repeated a key. */
export function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = 0
  if (Array.isArray(value)) {
    for (const element of value) if (typeof element === 'object' && element !== null) count += countMembers(element)
    return count
  }
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key]
    count += typeof member === 'object' && member !== null ? 1 + countMembers(member) : 1
  }
  return count
}

/** Most repeated keys that are reported: an attacker's body may repeat one a million times. */
const maxRepeats = 100

/**
 * Paths of repeated keys, once for each repetition (`spec.template.spec.containers[0].name`), in text that JSON.parse
 * accepted. The slow walk: run only when {@link scanJson} raised a suspicion.
 */
export function repeatedKeys(text: string): string[] {
  const found: string[] = []
  let at = 0
  const space = () => {
    while (' \t\n\r'.includes(text.charAt(at)) && at < text.length) at++
  }
  const key = (): string => {
    const end = endOfString(text, at)
    const value = JSON.parse(text.slice(at, end + 1)) as string
    at = end + 1
    return value
  }
  const members = (path: string) => {
    const seen = new Set<string>()
    at++
    for (space(); text[at] !== '}'; space()) {
      if (text[at] === ',') at++
      space()
      const name = key()
      const child = path === '' ? name : `${path}.${name}`
      if (seen.has(name) && found.length < maxRepeats) found.push(child)
      seen.add(name)
      space()
      at++ // the colon
      value(child)
    }
    at++
  }
  const elements = (path: string) => {
    at++
    let index = 0
    for (space(); text[at] !== ']'; space()) {
      if (text[at] === ',') at++
      value(`${path}[${index++}]`)
    }
    at++
  }
  const value = (path: string) => {
    space()
    const first = text[at]
    if (first === '{') members(path)
    else if (first === '[') elements(path)
    else if (first === '"') at = endOfString(text, at) + 1
    else while (at < text.length && !',]} \t\n\r'.includes(text.charAt(at))) at++
  }
  value('')
  return found
}
