import type { Event, ObjectReference } from '../api/kinds.ts'
import { isStatus } from '../api/status-error.ts'
import { type Client, refs } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Clock, Random } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'

/** Events about one object that may come at once, and the seconds after which one more may (client-go's spam filter). */
const burst = 25
const refillSeconds = 300
/** Same event again within this time raises the count of the first. */
const aggregateMs = 10 * 60_000
const maxRemembered = 4096
const maxPending = 1000

interface Remembered {
  name: string
  count: number
  lastMs: number
}

/** Writes Events through a client, one after the other, in the background. What does not fit the queue is dropped. */
export function createEventRecorder(options: {
  client: Client
  clock: Clock
  random: Random
  logger: Logger
  component: string
  host: string
}): EventRecorder {
  const { client, clock, random, logger } = options
  const remembered = new Map<string, Remembered>()
  const tokens = new Map<string, { left: number; refilledMs: number }>()
  const pending: (() => Promise<void>)[] = []
  let isWriting = false

  const allowed = (about: ObjectReference, nowMs: number): boolean => {
    const key = about.uid ?? `${about.namespace}/${about.name}`
    const bucket = tokens.get(key) ?? { left: burst, refilledMs: nowMs }
    const refill = Math.floor((nowMs - bucket.refilledMs) / (refillSeconds * 1000))
    if (refill > 0) {
      bucket.left = Math.min(burst, bucket.left + refill)
      bucket.refilledMs = nowMs
    }
    remember(tokens, key, bucket)
    return bucket.left-- > 0
  }

  const drain = async (): Promise<void> => {
    if (isWriting) return
    isWriting = true
    for (let write = pending.shift(); write; write = pending.shift()) {
      await write().catch((error: unknown) => {
        if (!isStatus(error, 'NotFound', 'Forbidden')) logger.debug({ error: String(error) }, 'event not written')
      })
    }
    isWriting = false
  }

  const write = async (
    about: ObjectReference,
    type: string,
    reason: string,
    message: string,
    nowMs: number,
  ): Promise<void> => {
    const now = new Date(nowMs).toISOString().replace(/\.\d+Z/, 'Z')
    const namespace = about.namespace || 'default'
    const key = [about.uid, about.name, about.fieldPath, type, reason, message].join('\n')
    const before = remembered.get(key)
    if (before && nowMs - before.lastMs < aggregateMs) {
      before.count++
      before.lastMs = nowMs
      try {
        await client.mutate<Event>(refs.events, namespace, before.name, (current) => ({
          ...current,
          count: before.count,
          lastTimestamp: now,
        }))
        return
      } catch (error) {
        if (!isStatus(error, 'NotFound')) throw error
      }
    }
    const suffix = Buffer.from(random.bytes(8)).toString('hex')
    const event: Event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${about.name}.${suffix}`, namespace },
      involvedObject: about,
      reason,
      message: message.slice(0, 1024),
      type,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component: options.component, host: options.host },
      reportingComponent: options.component,
      reportingInstance: options.host,
    }
    await client.create(refs.events, event)
    remember(remembered, key, { name: event.metadata.name!, count: 1, lastMs: nowMs })
  }

  return {
    event(about, type, reason, message) {
      const nowMs = clock.nowMs()
      if (!allowed(about, nowMs) || pending.length >= maxPending) return
      pending.push(() => write(about, type, reason, message, nowMs))
      void drain()
    },
  }
}

/** Sets and, beyond the bound, forgets what was set longest ago. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > maxRemembered) map.delete(map.keys().next().value!)
}
