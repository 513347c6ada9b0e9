/** A scheduled call that can be taken back. Cancelling twice, or after it ran, does nothing. */
export interface Timer {
  cancel(): void
}

/**
 * Time as an argument. Production passes {@link systemClock}; the simulator passes virtual time.
 * Nothing outside lib/ reads `Date` or sets a timer of its own.
 */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump in both directions. */
  nowMs(): number
  /** Milliseconds since an arbitrary start. Never runs backwards; counts time spent suspended. */
  monotonicMs(): number
  /** Calls `run` once after `delayMs`. Does not keep the process alive by itself. */
  after(delayMs: number, run: () => void): Timer
}

/** Chance as an argument. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** `length` random bytes; cryptographically strong in production, seeded in the simulator. */
  bytes(length: number): Uint8Array
}
