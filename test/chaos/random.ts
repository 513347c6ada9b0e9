/** A number in [0, 1) a call. */
export type Random = () => number

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!
}

export const between = (random: Random, low: number, high: number): number => low + Math.floor(random() * (high - low))
