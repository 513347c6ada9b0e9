/** Whole seconds, as metav1.Time is written. */
export const timestamp = (nowMs: number): string =>
  new Date(Math.floor(nowMs / 1000) * 1000).toISOString().replace('.000Z', 'Z')

/** Milliseconds since the epoch, or undefined for no or no valid time. */
export function timeMs(text: string | undefined): number | undefined {
  const ms = Date.parse(text ?? '')
  return Number.isNaN(ms) ? undefined : ms
}
