const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const yearMs = 365 * dayMs

/** From which age on which units are shown: the further back, the coarser. `rest` is left out when it is zero. */
const steps: readonly { belowMs: number; unitMs: number; unit: string; restMs?: number; rest?: string }[] = [
  { belowMs: 2 * minuteMs, unitMs: secondMs, unit: 's' },
  { belowMs: 10 * minuteMs, unitMs: minuteMs, unit: 'm', restMs: secondMs, rest: 's' },
  { belowMs: 3 * hourMs, unitMs: minuteMs, unit: 'm' },
  { belowMs: 8 * hourMs, unitMs: hourMs, unit: 'h', restMs: minuteMs, rest: 'm' },
  { belowMs: 2 * dayMs, unitMs: hourMs, unit: 'h' },
  { belowMs: 8 * dayMs, unitMs: dayMs, unit: 'd', restMs: hourMs, rest: 'h' },
  { belowMs: 2 * yearMs, unitMs: dayMs, unit: 'd' },
  { belowMs: 8 * yearMs, unitMs: yearMs, unit: 'y', restMs: dayMs, rest: 'd' },
  { belowMs: Infinity, unitMs: yearMs, unit: 'y' },
]

/**
 * A span as the AGE column shows it (k8s.io/apimachinery/pkg/util/duration.HumanDuration): `5s`, `3m20s`, `4d`.
 * Clocks of two machines differ: up to two seconds in the future is `0s`, more is `<invalid>`.
 */
export function humanDuration(spanMs: number): string {
  if (Number.isNaN(spanMs) || Math.trunc(spanMs / secondMs) < -1) return '<invalid>'
  if (spanMs < 0) return '0s'
  for (const { belowMs, unitMs, unit, restMs, rest } of steps) {
    if (spanMs >= belowMs) continue
    const remainder = restMs === undefined ? 0 : Math.floor((spanMs % unitMs) / restMs)
    return `${Math.floor(spanMs / unitMs)}${unit}${remainder === 0 ? '' : `${remainder}${rest}`}`
  }
  return '<invalid>'
}

/** Time since an RFC 3339 timestamp as {@link humanDuration}; `<unknown>` when there is no timestamp. */
export function age(timestamp: string | undefined | null, nowMs: number): string {
  if (timestamp === undefined || timestamp === null || timestamp === '') return '<unknown>'
  const thenMs = Date.parse(timestamp)
  return Number.isNaN(thenMs) ? '<unknown>' : humanDuration(nowMs - thenMs)
}

const goUnitsMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: secondMs,
  m: minuteMs,
  h: hourMs,
}

/** Go's duration text (`1h30m`, `1.5s`, `-2m`, `0`) in milliseconds, or undefined when it is none. */
export function parseDurationMs(text: string): number | undefined {
  if (text.length > 64) return undefined
  const [, sign, body = ''] = /^([+-]?)(.*)$/.exec(text) ?? []
  if (body === '0') return 0
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.test(body)) return undefined
  let totalMs = 0
  for (const [, digits, unit] of body.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
    totalMs += Number(digits) * (goUnitsMs[unit ?? ''] ?? 0)
  }
  return sign === '-' ? -totalMs : totalMs
}

/** Whole milliseconds as Go writes a duration: `1h0m0s`, `1m30s`, `1.5s`, `250ms`, `0s`. */
export function formatDurationMs(spanMs: number): string {
  const sign = spanMs < 0 ? '-' : ''
  const wholeMs = Math.abs(Math.trunc(spanMs))
  if (wholeMs === 0) return '0s'
  if (wholeMs < secondMs) return `${sign}${wholeMs}ms`
  const hours = Math.floor(wholeMs / hourMs)
  const minutes = Math.floor((wholeMs % hourMs) / minuteMs)
  const seconds = (wholeMs % minuteMs) / secondMs
  const upper = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : ''
  return `${sign}${upper}${seconds}s`
}
