import { errors } from '../api/status-error.ts'
import { parseDurationMs } from '../lib/duration.ts'

/** As upstream's --request-timeout: what is neither watch nor stream answers within a minute. */
const maxTimeoutMs = 60_000

/** How long a request may take: `?timeout=10s`, which can but shorten what every request may. Throws BadRequest. */
export function requestTimeoutMs(query: URLSearchParams): number {
  const text = query.get('timeout')
  if (!text) return maxTimeoutMs
  const wantedMs = parseDurationMs(text)
  if (wantedMs === undefined) {
    const quoted = JSON.stringify(text)
    throw errors.badRequest(`invalid timeout specified in the request URL - time: invalid duration ${quoted}`)
  }
  return wantedMs > 0 ? Math.min(wantedMs, maxTimeoutMs) : maxTimeoutMs
}
