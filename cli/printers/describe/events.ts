import { age } from '../../../src/lib/duration.ts'
import type { DescribeContext, EventLike } from './lines.ts'

/** The Events section that ends a description; nothing when events were not asked for. */
export function eventLines({ events, nowMs }: DescribeContext): string[] {
  if (events === undefined) return []
  if (events.length === 0) return ['Events:\t<none>']
  const sorted = events.toSorted((a, b) => timeOf(a).localeCompare(timeOf(b)))
  return [
    'Events:',
    '  Type\tReason\tAge\tFrom\tMessage',
    '  ----\t------\t----\t----\t-------',
    ...sorted.map(
      (event) =>
        `  ${event.type ?? ''}\t${event.reason ?? ''}\t${ageOf(event, nowMs)}\t${sourceOf(event)}\t${(event.message ?? '').trim()}`,
    ),
  ]
}

const timeOf = (event: EventLike): string =>
  event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp ?? ''

const sourceOf = (event: EventLike): string => event.source?.component || event.reportingComponent || ''

function ageOf(event: EventLike, nowMs: number): string {
  const first = age(event.firstTimestamp ?? event.eventTime, nowMs)
  if (event.series) return `${age(event.series.lastObservedTime, nowMs)} (x${event.series.count} over ${first})`
  if ((event.count ?? 0) > 1) return `${age(event.lastTimestamp, nowMs)} (x${event.count} over ${first})`
  return first
}
