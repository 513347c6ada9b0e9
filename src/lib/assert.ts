/** Thrown by {@link assert}: a bug of ours, never a user's mistake. */
export class AssertionError extends Error {
  override name = 'AssertionError'
}

/** States what must be true whatever a user or a peer does. Messages say what was broken, not what to do. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** The value, which by construction is there. */
export function must<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined) throw new AssertionError(message)
  return value
}

/** The compiler demands every case: call it in the `default` of a switch over a union. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`)
}
