import type { Clock } from '../lib/clock.ts'

/** Request counters in Prometheus' text format. Labels are bounded: only known resources and verbs become series. */
export interface Metrics {
  /** Called as a request begins; call the result when it is answered. */
  begin(labels: {
    verb: string
    resource: string
    group: string
    version: string
    long: boolean
  }): (code: number) => void
  text(): string
}

const bucketsSeconds = [0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const maxSeries = 5000

interface Histogram {
  buckets: number[]
  sum: number
  count: number
}

export function createMetrics(clock: Clock): Metrics {
  const totals = new Map<string, number>()
  const durations = new Map<string, Histogram>()
  let inFlight = 0
  let watches = 0

  function observe(key: string, seconds: number): void {
    let histogram = durations.get(key)
    if (!histogram) {
      if (durations.size >= maxSeries) return
      histogram = { buckets: bucketsSeconds.map(() => 0), sum: 0, count: 0 }
      durations.set(key, histogram)
    }
    histogram.sum += seconds
    histogram.count++
    for (const [at, bound] of bucketsSeconds.entries()) {
      if (seconds <= bound) histogram.buckets[at] = (histogram.buckets[at] ?? 0) + 1
    }
  }

  return {
    begin({ verb, resource, group, version, long }) {
      const startMs = clock.monotonicMs()
      const labels = `verb="${verb.toUpperCase()}",group="${group}",version="${version}",resource="${resource}"`
      if (long) watches++
      else inFlight++
      return (code) => {
        if (long) watches--
        else {
          inFlight--
          observe(labels, (clock.monotonicMs() - startMs) / 1000)
        }
        const key = `${labels},code="${code}"`
        if (totals.has(key) || totals.size < maxSeries) totals.set(key, (totals.get(key) ?? 0) + 1)
      }
    },
    text() {
      const lines = [
        '# HELP apiserver_request_total Requests by verb, resource and HTTP code.',
        '# TYPE apiserver_request_total counter',
      ]
      for (const [labels, value] of totals) lines.push(`apiserver_request_total{${labels}} ${value}`)
      lines.push('# HELP apiserver_request_duration_seconds Time to answer, long-running requests left out.')
      lines.push('# TYPE apiserver_request_duration_seconds histogram')
      for (const [labels, { buckets, sum, count }] of durations) {
        for (const [at, bound] of bucketsSeconds.entries()) {
          lines.push(`apiserver_request_duration_seconds_bucket{${labels},le="${bound}"} ${buckets[at] ?? 0}`)
        }
        lines.push(`apiserver_request_duration_seconds_bucket{${labels},le="+Inf"} ${count}`)
        lines.push(`apiserver_request_duration_seconds_sum{${labels}} ${sum}`)
        lines.push(`apiserver_request_duration_seconds_count{${labels}} ${count}`)
      }
      lines.push(
        '# HELP apiserver_current_inflight_requests Requests being answered.',
        '# TYPE apiserver_current_inflight_requests gauge',
      )
      lines.push(`apiserver_current_inflight_requests ${inFlight}`)
      lines.push(
        '# HELP apiserver_longrunning_requests Open watches and streams.',
        '# TYPE apiserver_longrunning_requests gauge',
      )
      lines.push(`apiserver_longrunning_requests ${watches}`)
      return `${lines.join('\n')}\n`
    },
  }
}
