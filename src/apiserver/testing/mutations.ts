import { seededRandom } from '../../lib/seeded-random.ts'

/** Changes to well-formed input that make it nearly well-formed: what a fuzzer tries. All chance comes from `next`. */
export interface Mutator {
  /** [0, 1) */
  next(): number
  integer(below: number): number
  pick<T>(from: readonly T[]): T
  /** A few bytes flipped, cut out, doubled or put in. */
  bytes(input: Uint8Array): Uint8Array
  /** As bytes, with the tokens that parsers stumble over. */
  text(input: string, tokens: readonly string[]): string
  /** A value somewhere inside replaced, dropped or renamed. */
  value(input: unknown): unknown
}

/** Changes that a seed replays. */
export function mutator(seed: number): Mutator {
  const { next } = seededRandom(seed)
  const integer = (below: number) => Math.floor(next() * below)
  const pick = <T>(from: readonly T[]): T => from[integer(from.length)] as T

  function bytes(input: Uint8Array): Uint8Array {
    let output = Buffer.from(input)
    for (let round = 1 + integer(4); round > 0; round--) {
      const at = integer(output.length + 1)
      const length = integer(8)
      switch (integer(4)) {
        case 0:
          if (output.length > 0) output[at % output.length] = integer(256)
          break
        case 1:
          output = Buffer.concat([output.subarray(0, at), output.subarray(at + length)])
          break
        case 2:
          output = Buffer.concat([output.subarray(0, at + length), output.subarray(at)])
          break
        default:
          output = Buffer.concat([
            output.subarray(0, at),
            Buffer.from([integer(256), integer(256)]),
            output.subarray(at),
          ])
      }
    }
    return output
  }

  function value(input: unknown, depth = 0): unknown {
    if (depth > 6 || next() < 0.15) return pick(oddValues)
    if (Array.isArray(input)) {
      if (input.length === 0) return [pick(oddValues)]
      const copy = [...input]
      const at = integer(copy.length)
      if (next() < 0.2) copy.splice(at, 1)
      else copy[at] = value(copy[at], depth + 1)
      return copy
    }
    if (typeof input === 'object' && input !== null) {
      const entries = Object.entries(input)
      if (entries.length === 0) return { [pick(oddKeys)]: pick(oddValues) }
      const at = integer(entries.length)
      const [key, old] = entries[at] as [string, unknown]
      const way = next()
      if (way < 0.1) entries.splice(at, 1)
      else if (way < 0.2) entries[at] = [pick(oddKeys), old]
      else entries[at] = [key, value(old, depth + 1)]
      return Object.fromEntries(entries)
    }
    return pick(oddValues)
  }

  return {
    next,
    integer,
    pick,
    bytes,
    value,
    text(input, tokens) {
      const at = integer(input.length + 1)
      const mutated = next() < 0.5 ? Buffer.from(bytes(Buffer.from(input))).toString() : input
      return next() < 0.7 ? mutated.slice(0, at) + pick(tokens) + mutated.slice(at + integer(6)) : mutated
    },
  }
}

const oddKeys = [
  '__proto__',
  'constructor',
  'toString',
  '',
  'metadata',
  'spec',
  '$patch',
  '$setElementOrder/x',
  'a/b~0',
  '\u0000',
]
const oddValues: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53,
  1e308,
  '',
  'x'.repeat(300),
  '../..',
  '\u0000\uffff',
  '1e999999999',
  '100Ei',
  '9999999999999999999999999',
  '-5m',
  '2024-13-45T99:99:99Z',
  '(a+)+$',
  [],
  {},
  [[]],
  [null],
  { a: { b: { c: {} } } },
  { __proto__: null, constructor: { prototype: {} } },
]
