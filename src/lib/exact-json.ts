/* JSON whose integers are those of Go's encoding/json: all of int64. What a double cannot hold is a bigint in memory. */

const int64Bits = 64

interface ExactJson {
  /** https://github.com/tc39/proposal-json-parse-with-source, which the compiler's library does not know yet. */
  rawJSON(text: string): object
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown
}
const exact = JSON as unknown as ExactJson

// JSON.stringify refuses bigints unless they say how: as the number that they are.
// oxlint-disable-next-line no-extend-native -- the one hook that there is, and nothing else uses it
Object.defineProperty(BigInt.prototype, 'toJSON', {
  configurable: true,
  writable: true,
  value(this: bigint) {
    return exact.rawJSON(String(this))
  },
})

/**
 * JSON.parse, except that an integer within int64 which a double would round becomes a bigint. Other numbers are
 * doubles, as for JSON.parse. Throws SyntaxError.
 */
export function parseExact(text: string): unknown {
  // Nearly every text: a number of fewer digits is exact.
  if (!/\d{16}/.test(text)) return JSON.parse(text) as unknown
  return exact.parse(text, (_key, value, { source }) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value) || !source || !/^-?\d+$/.test(source)) return value
    const whole = BigInt(source)
    return String(value) !== source && BigInt.asIntN(int64Bits, whole) === whole ? whole : value
  })
}

/** Whether a JSON value is a whole number. */
export const isWhole = (value: unknown): boolean => typeof value === 'bigint' || Number.isInteger(value)
