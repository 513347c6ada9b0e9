/**
 * The value below which the fraction `rank` (0 to 1) of the samples lies, by the nearest rank. Throws on no samples:
 * a percentile of nothing would look like a result.
 */
export function percentile(samples: readonly number[], rank: number): number {
  const ordered = samples.toSorted((a, b) => a - b)
  const value = ordered[Math.min(ordered.length - 1, Math.max(0, Math.ceil(rank * ordered.length) - 1))]
  if (value === undefined) throw new Error('nothing was measured')
  return value
}

export const median = (samples: readonly number[]): number => percentile(samples, 0.5)
