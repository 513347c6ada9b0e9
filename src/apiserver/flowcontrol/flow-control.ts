import type { FlowSchema, PriorityLevelConfiguration } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { StatusError } from '../../api/status-error.ts'
import type { Informers } from '../../client/informer.ts'
import type { Clock } from '../../lib/clock.ts'
import { classify, inPrecedence, type Classified, type Digest } from './classify.ts'
import { defaultFlowSchemas, defaultPriorityLevels } from './defaults.ts'
import { createFlowMetrics } from './flow-metrics.ts'
import { PriorityLevel, type RejectReason } from './priority-level.ts'

/** What a request has while it is answered. */
export interface Seats {
  readonly flowSchemaUid: string
  readonly priorityLevelUid: string
  /** Gives them back; again does nothing. */
  leave(): void
}

/**
 * API priority and fairness (KEP-1040): FlowSchemas sort requests into PriorityLevels, each of which has its share of
 * the server's seats and queues in which flows wait fairly. Each server keeps its own seats.
 */
export interface FlowControl {
  /** Waits for seats. Throws TooManyRequests with Retry-After when there is no room to wait, or none came in time. */
  enter(digest: Digest, seats: number, signal: AbortSignal): Promise<Seats>
  /** Prometheus text. */
  text(): string
}

/**
 * kube-apiserver's default is 600 for as many threads as the machine has. This one computes on a single thread: what is
 * let in at once is what a newcomer waits for, so few seats are fairer and no slower.
 */
const defaultTotalSeats = 64
/** A quarter of the request timeout: what waited longer would hardly be answered in time (upstream's queue wait). */
const maxWaitMs = 15_000
const retryAfterSeconds = 1
const group = 'flowcontrol.apiserver.k8s.io'
const schemasRef = { group, resource: 'flowschemas' }
const levelsRef = { group, resource: 'prioritylevelconfigurations' }

export function createFlowControl(options: {
  /** Without it the built-in configuration counts. */
  informers?: Informers
  clock: Clock
  totalSeats?: number
  /** Resolves in the next turn of the event loop. Default: at once. */
  nextTurn?: () => Promise<void>
}): FlowControl {
  const { informers, clock, totalSeats = defaultTotalSeats, nextTurn } = options
  const levels = new Map<string, PriorityLevel>()
  const metrics = createFlowMetrics()
  const broker = { mayTake }
  let schemas: FlowSchema[] = []
  let uids = new Map<string, string>()
  let isStale = true
  const stale = () => void (isStale = true)
  informers?.for<KubeObject>(schemasRef).onChange(stale)
  informers?.for<KubeObject>(levelsRef).onChange(stale)

  /**
   * A level always gets what it does not lend. Beyond that seats are taken from what is free after everybody's own
   * minimum is set aside, so that lending never breaks a promise.
   */
  function mayTake(level: PriorityLevel, seats: number): boolean {
    const after = level.taken + seats
    if (level.taken > 0 && after > level.nominal + level.borrowable) return false
    const minimum = (one: PriorityLevel) => one.nominal - one.lendable
    if (after <= minimum(level)) return true
    let reserved = 0
    for (const one of levels.values()) {
      if (!one.isExempt) reserved += Math.max(one === level ? after : one.taken, minimum(one))
    }
    // One request runs in any case: a level without seats of its own must not stand still for ever.
    return reserved <= totalSeats || level.taken === 0
  }

  function configure(): void {
    if (!isStale) return
    isStale = false
    const stored = informers?.for<PriorityLevelConfiguration & KubeObject>(levelsRef).list() ?? []
    const storedSchemas = informers?.for<FlowSchema & KubeObject>(schemasRef).list() ?? []
    const configurations = withDefaults<PriorityLevelConfiguration>(stored, defaultPriorityLevels)
    const shares = ({ spec }: PriorityLevelConfiguration) =>
      spec?.type === 'Exempt'
        ? (spec.exempt?.nominalConcurrencyShares ?? 0)
        : (spec?.limited?.nominalConcurrencyShares ?? 30)
    const sum = configurations.reduce((total, one) => total + shares(one), 0) || 1
    for (const one of configurations) {
      const name = one.metadata.name ?? ''
      const level = levels.get(name) ?? new PriorityLevel(name, broker)
      levels.set(name, level)
      level.configure(one.spec, Math.ceil((totalSeats * shares(one)) / sum))
    }
    for (const [name, level] of levels) {
      const isWanted = configurations.some(({ metadata }) => metadata.name === name)
      if (!isWanted && level.taken + level.waiting === 0) levels.delete(name)
    }
    schemas = inPrecedence(withDefaults<FlowSchema>(storedSchemas, defaultFlowSchemas)).filter(({ spec }) =>
      levels.has(spec?.priorityLevelConfiguration.name ?? ''),
    )
    uids = new Map(
      [...stored, ...storedSchemas].map(({ kind, metadata }) => [`${kind}/${metadata.name}`, metadata.uid ?? '']),
    )
    for (const level of levels.values()) level.dispatch()
  }

  function place({ schema }: Classified): PriorityLevel | undefined {
    return levels.get(schema.spec?.priorityLevelConfiguration.name ?? '')
  }

  return {
    async enter(digest, seats, signal) {
      configure()
      const classified = classify(schemas, digest)
      const level = classified && place(classified)
      // The mandatory catch-all takes whatever nothing else has taken.
      if (!classified || !level) throw tooMany('no flow schema matches the request')
      const schemaName = classified.schema.metadata.name ?? ''
      const labels = { schema: schemaName, level: level.name }
      const since = clock.monotonicMs()
      const admitted = Promise.withResolvers<void>()
      const found = level.enter(
        {
          seats,
          admit: () => admitted.resolve(),
          refuse: (reason: RejectReason) => {
            metrics.rejected(labels, reason)
            admitted.reject(tooMany('too many requests, please try again later'))
          },
        },
        `${schemaName}\u0000${classified.distinguisher}`,
      )
      const timer = clock.after(maxWaitMs, () => found.leave('time-out'))
      const cancelled = () => found.leave('cancelled')
      signal.addEventListener('abort', cancelled, { once: true })
      try {
        await admitted.promise
      } finally {
        timer.cancel()
        signal.removeEventListener('abort', cancelled)
      }
      // Requests that have arrived by now take their places before anybody is served: otherwise each would be served
      // as its socket is read, and nobody would ever be seen to wait.
      if (!level.isExempt) await nextTurn?.()
      const startMs = clock.monotonicMs()
      metrics.dispatched(labels, (startMs - since) / 1000)
      let left = false
      return {
        flowSchemaUid: uids.get(`FlowSchema/${schemaName}`) ?? '',
        priorityLevelUid: uids.get(`PriorityLevelConfiguration/${level.name}`) ?? '',
        leave() {
          if (left) return
          left = true
          found.done((clock.monotonicMs() - startMs) / 1000)
          // A seat that came free here may be lent to any level.
          for (const one of levels.values()) one.dispatch()
        },
      }
    },
    text: () => metrics.text([...levels.values()]),
  }
}

/** What is stored, and of the mandatory and suggested configuration what is not. */
function withDefaults<T extends { metadata: { name?: string } }>(stored: readonly T[], defaults: readonly T[]): T[] {
  const mandatory = ['exempt', 'catch-all']
  const names = new Set(stored.map(({ metadata }) => metadata.name))
  return [
    ...stored,
    ...defaults.filter(
      ({ metadata: { name = '' } }) => !names.has(name) && (stored.length === 0 || mandatory.includes(name)),
    ),
  ]
}

const tooMany = (message: string) => new StatusError('TooManyRequests', message, { retryAfterSeconds })
