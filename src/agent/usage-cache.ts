import type { HorizontalPodAutoscaler } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { UsageSource } from '../controllers/reconcile/autoscaling/horizontal-pod-autoscaler.ts'
import type { Clock } from '../lib/clock.ts'
import { quantityMilliValue, quantityValue } from '../lib/quantity.ts'
import type { Logger } from '../lib/log.ts'
import { underSignals } from '../lib/under-signals.ts'
import type { VirtualReader } from '../registry/environment.ts'
import { pollUntil } from './poll.ts'

/** As oft as the autoscaler looks. */
const pollMs = 15_000
const askTimeoutMs = 10_000

interface PodMetrics extends KubeObject {
  containers: { name: string; usage: { cpu?: string; memory?: string } }[]
}

/**
 * What pods use, for the autoscaler: asked of the nodes while there is an autoscaler, only for its namespaces, until the
 * signal is aborted.
 */
export function pollUsage(
  options: { informers: Informers; metrics: VirtualReader; clock: Clock; logger: Logger },
  signal: AbortSignal,
): UsageSource {
  const { informers, metrics, clock, logger } = options
  const scalers = informers.for<HorizontalPodAutoscaler>(refs.horizontalPodAutoscalers)
  let known = new Map<string, ReturnType<UsageSource>>()

  const poll = async (): Promise<void> => {
    const namespaces = new Set(scalers.list().map((scaler) => scaler.metadata.namespace ?? ''))
    const next: typeof known = new Map()
    for (const namespace of namespaces) {
      const items = await underSignals([signal], (either) => metrics.list(namespace, either), askTimeoutMs)
      for (const item of items as PodMetrics[]) {
        const usage = item.containers.map(
          ({ name, usage: { cpu = '0', memory = '0' } }) =>
            [name, { cpu: quantityMilliValue(cpu), memory: quantityValue(memory) }] as const,
        )
        next.set(`${namespace}/${item.metadata.name}`, Object.fromEntries(usage))
      }
    }
    known = next
  }
  const onError = (error: unknown): void => logger.debug({ error }, 'usage of pods not read')
  void pollUntil(signal, { clock, everyMs: pollMs, onError }, poll)
  return (namespace, podName) => known.get(`${namespace}/${podName}`)
}
