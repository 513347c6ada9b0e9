import type { Node, Pod } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import { underSignals } from '../lib/under-signals.ts'
import type { VirtualReader } from '../registry/environment.ts'
import type { Pressure } from '../scheduler/framework/framework.ts'
import { parsePressure, pressureAnnotation } from '../scheduler/plugins/inter-pod-interference.ts'
import type { MeasuredPressure } from '../scheduler/scheduler.ts'
import { pollUntil } from './poll.ts'

/** Asking costs each node a look at all its containers; what a workload strains changes slowly. */
const pollMs = 60_000
const askTimeoutMs = 10_000
/** Smaller differences are noise: nothing is weighed anew for them. */
const minChange = 0.02

/** What pods strain, asked of the nodes as long as there are several to choose from, until the signal is aborted. */
export function measurePressure(
  options: { informers: Informers; metrics: VirtualReader; clock: Clock; logger: Logger },
  signal: AbortSignal,
): MeasuredPressure {
  const { informers, metrics, clock, logger } = options
  const pods = informers.for<Pod>(refs.pods)
  const nodes = informers.for<Node>(refs.nodes)
  const handlers = new Set<() => void>()
  let known: ReadonlyMap<string, Pressure> = new Map()

  const poll = async (): Promise<void> => {
    if (nodes.list().length < 2) return
    const measured = await underSignals([signal], (either) => metrics.list('', either), askTimeoutMs)
    const samples = measured.flatMap(({ metadata: { namespace = '', name = '', annotations } }) => {
      const pod = pods.get(namespace, name)
      return pod ? [{ pod, pressure: parsePressure(annotations?.[pressureAnnotation]) ?? {} }] : []
    })
    const before = known
    known = meanByWorkload(samples)
    if (differs(before, known)) for (const handler of handlers) handler()
  }
  const onError = (error: unknown): void => logger.debug({ error }, 'what pods strain was not read')
  void pollUntil(signal, { clock, everyMs: pollMs, onError }, poll)
  return {
    of: (pod) => known.get(workloadOf(pod)),
    onChange(handler) {
      handlers.add(handler)
      return () => void handlers.delete(handler)
    },
  }
}

/** A pod that is not placed yet will be like the others of its controller. */
const workloadOf = ({ metadata: { uid = '', ownerReferences = [] } }: Pod): string =>
  ownerReferences.find(({ controller }) => controller)?.uid ?? uid

/** What pods of one controller strain on average. Pure. */
export function meanByWorkload(samples: readonly { pod: Pod; pressure: Pressure }[]): Map<string, Pressure> {
  const means = new Map<string, Pressure>()
  for (const [workload, group] of Map.groupBy(samples, ({ pod }) => workloadOf(pod))) {
    const sums = new Map<string, number>()
    for (const { pressure } of group)
      for (const [name, amount] of Object.entries(pressure)) sums.set(name, (sums.get(name) ?? 0) + amount)
    means.set(workload, Object.fromEntries([...sums].map(([name, sum]) => [name, sum / group.length])))
  }
  return means
}

/** Whether anything is to be weighed anew. Pure. */
export function differs(before: ReadonlyMap<string, Pressure>, now: ReadonlyMap<string, Pressure>): boolean {
  return [...new Set([...before.keys(), ...now.keys()])].some((workload) => {
    const [old = {}, fresh = {}] = [before.get(workload), now.get(workload)]
    const names = new Set([...Object.keys(old), ...Object.keys(fresh)])
    return [...names].some((name) => Math.abs((old[name] ?? 0) - (fresh[name] ?? 0)) >= minChange)
  })
}
