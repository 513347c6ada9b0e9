import type { PriorityLevel, RejectReason } from './priority-level.ts'

interface Labels {
  readonly schema: string
  readonly level: string
}

/** Counters under upstream's names. Series are bounded by the number of FlowSchemas. */
export interface FlowMetrics {
  dispatched(labels: Labels, waitedSeconds: number): void
  rejected(labels: Labels, reason: RejectReason): void
  text(levels: readonly PriorityLevel[]): string
}

const prefix = 'apiserver_flowcontrol'
const maxSeries = 1000

export function createFlowMetrics(): FlowMetrics {
  const dispatched = new Map<string, { count: number; seconds: number }>()
  const rejected = new Map<string, number>()
  const labelsOf = ({ schema, level }: Labels) => `priority_level="${level}",flow_schema="${schema}"`
  return {
    dispatched(labels, waitedSeconds) {
      const key = labelsOf(labels)
      const known = dispatched.get(key) ?? { count: 0, seconds: 0 }
      if (known.count === 0 && dispatched.size >= maxSeries) return
      dispatched.set(key, { count: known.count + 1, seconds: known.seconds + waitedSeconds })
    },
    rejected(labels, reason) {
      const key = `${labelsOf(labels)},reason="${reason}"`
      if (rejected.has(key) || rejected.size < maxSeries) rejected.set(key, (rejected.get(key) ?? 0) + 1)
    },
    text(levels) {
      const family = (name: string, type: string, help: string, lines: readonly string[]) =>
        lines.length === 0
          ? []
          : [
              `# HELP ${prefix}_${name} ${help}`,
              `# TYPE ${prefix}_${name} ${type}`,
              ...lines.map((line) => `${prefix}_${line}`),
            ]
      const gauge = (name: string, help: string, read: (level: PriorityLevel) => number) =>
        family(
          name,
          'gauge',
          help,
          levels.map((level) => `${name}{priority_level="${level.name}"} ${read(level)}`),
        )
      const waits = [...dispatched].flatMap(([key, { count, seconds }]) => [
        `request_wait_duration_seconds_sum{${key}} ${seconds}`,
        `request_wait_duration_seconds_count{${key}} ${count}`,
      ])
      const lines = [
        ...family(
          'dispatched_requests_total',
          'counter',
          'Requests that got their seats.',
          [...dispatched].map(([key, { count }]) => `dispatched_requests_total{${key}} ${count}`),
        ),
        ...family(
          'rejected_requests_total',
          'counter',
          'Requests that were refused with 429.',
          [...rejected].map(([key, count]) => `rejected_requests_total{${key}} ${count}`),
        ),
        ...family('request_wait_duration_seconds', 'summary', 'Time from arrival to seats.', waits),
        ...gauge('current_executing_seats', 'Seats that are taken.', (level) => level.taken),
        ...gauge('current_inqueue_requests', 'Requests that wait.', (level) => level.waiting),
        ...gauge('nominal_limit_seats', 'Seats that the level is due.', (level) => level.nominal),
      ]
      return `${lines.join('\n')}\n`
    },
  }
}
