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
/** Messages of one reason about one object; the further ones are told as one event (client-go's EventAggregator). */
const maxSimilar = 10
const combined = '(combined from similar events): '
const maxRemembered = 4096
const maxPending = 1000
const maxMessageLength = 1024

interface Remembered {
  name: string
  count: number
  lastMs: number
}

interface Similar {
  readonly messages: Set<string>
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
  const similar = new Map<string, Similar>()
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

  /** Whether so many different messages of the group came lately that this one is no more told by itself. */
  const countsAsSimilar = (group: string, message: string, nowMs: number): boolean => {
    const known = similar.get(group)
    const current = known && nowMs - known.lastMs < aggregateMs ? known : { messages: new Set<string>(), lastMs: nowMs }
    current.lastMs = nowMs
    remember(similar, group, current)
    if (!current.messages.has(message) && current.messages.size >= maxSimilar) return true
    current.messages.add(message)
    return false
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
    const group = [about.uid, about.name, about.fieldPath, type, reason].join('\n')
    const isOneOfMany = countsAsSimilar(group, message, nowMs)
    const key = isOneOfMany ? group : `${group}\n${message}`
    const told = (isOneOfMany ? combined + message : message).slice(0, maxMessageLength)
    const before = remembered.get(key)
    if (before && nowMs - before.lastMs < aggregateMs) {
      before.count++
      before.lastMs = nowMs
      try {
        await client.mutate<Event>(refs.events, namespace, before.name, (current) => ({
          ...current,
          message: told,
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
      message: told,
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
