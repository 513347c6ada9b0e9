import { Cron } from 'croner'
import { parseDurationMs } from '../../../lib/duration.ts'

/** When something is due. Pure: asked about instants, it runs nothing. */
export interface Schedule {
  /** The first instant after `afterMs`, or undefined when there is none. */
  nextMs(afterMs: number): number | undefined
}

/**
 * Reads a CronJob's schedule: five fields, a macro (`@daily`) or `@every 1h`, in a time zone (IANA; default UTC).
 * Throws an Error that says what is wrong.
 */
export function parseSchedule(text: string, timeZone?: string): Schedule {
  const [, inlineZone, rest] = /^(?:(?:CRON_)?TZ=(\S+)\s+)?(.*)$/s.exec(text.trim()) ?? []
  const pattern = (rest ?? '').trim()
  const every = /^@every\s+(\S+)$/.exec(pattern)?.[1]
  if (every !== undefined) {
    const spanMs = parseDurationMs(every)
    if (spanMs === undefined) throw new Error(`failed to parse duration ${pattern}`)
    // As upstream's cron library: whole seconds, at least one, counted from the instant that is asked about.
    const stepMs = Math.max(1000, Math.floor(spanMs / 1000) * 1000)
    return { nextMs: (afterMs) => Math.floor(afterMs / 1000) * 1000 + stepMs }
  }
  const cron = new Cron(pattern, {
    timezone: timeZone ?? inlineZone ?? 'UTC',
    paused: true,
    mode: pattern.startsWith('@') ? 'auto' : '5-part',
  })
  return { nextMs: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime() }
}

/** At most so many missed starts are looked through; beyond, the last is found by a jump. */
const maxMissed = 100

/**
 * The newest start after `fromMs` and not after `nowMs`, and whether there were too many to count. With more than 100
 * missed, upstream only warns and goes on with the newest.
 */
export function newestDue(
  schedule: Schedule,
  fromMs: number,
  nowMs: number,
): { dueMs: number | undefined; tooMany: boolean } {
  const firstMs = schedule.nextMs(fromMs)
  if (firstMs === undefined || firstMs > nowMs) return { dueMs: undefined, tooMany: false }
  let dueMs = firstMs
  for (let count = 0; count < maxMissed; count++) {
    const nextMs = schedule.nextMs(dueMs)
    if (nextMs === undefined || nextMs > nowMs) return { dueMs, tooMany: false }
    dueMs = nextMs
  }
  // Halve the way to now: the newest start lies after the last instant that still has one before now.
  let lowMs = dueMs
  let highMs = nowMs
  while (highMs - lowMs > 1000) {
    const middleMs = Math.floor((lowMs + highMs) / 2)
    const nextMs = schedule.nextMs(middleMs)
    if (nextMs !== undefined && nextMs <= nowMs) lowMs = nextMs
    else highMs = middleMs
  }
  return { dueMs: lowMs, tooMany: true }
}
