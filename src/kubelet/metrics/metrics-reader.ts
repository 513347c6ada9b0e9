import type { Node, Pod } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { quantityMilliValue, quantityValue } from '../../lib/quantity.ts'
import { underSignals } from '../../lib/under-signals.ts'
import type { VirtualReader } from '../../registry/environment.ts'
import { channel } from '../../streams/channels.ts'
import type { NodeAccess } from '../../streams/node-access.ts'
import type { Summary } from '../serve/stats-summary.ts'
import { metricsGroup } from './metrics-kinds.ts'
import { nodeMetrics, podMetrics } from './metrics-objects.ts'
import type { NodeRoom } from './pressure-profile.ts'

export interface MetricsReaderOptions {
  readonly informers: Informers
  readonly access: NodeAccess
  readonly clock: Clock
  readonly logger: Logger
}

/** A node that does not answer in time is left out of the answer, as metrics-server leaves it out. */
const nodeTimeoutMs = 5_000
/** Nodes asked at a time. */
const concurrency = 16
/** A summary of 250 pods is some 300 KiB. */
const maxSummaryBytes = 16 * 1024 * 1024

/** Answers reads of metrics.k8s.io by asking the nodes themselves: any node's API answers for all. */
export function metricsReaders(options: MetricsReaderOptions): Record<string, VirtualReader> {
  const { informers, access, clock, logger } = options
  const nodes = informers.for<Node>(refs.nodes)
  const pods = informers.for<Pod>(refs.pods)

  async function summaryOf(nodeName: string, signal: AbortSignal | undefined): Promise<Summary | undefined> {
    const late = new AbortController()
    const timer = clock.after(nodeTimeoutMs, () => late.abort())
    try {
      return await underSignals(signal === undefined ? [late.signal] : [signal, late.signal], (either) =>
        readSummary(nodeName, either),
      )
    } catch (error) {
      logger.debug({ node: nodeName, error: (error as Error).message }, 'a node gives no figures')
      return undefined
    } finally {
      timer.cancel()
    }
  }

  async function readSummary(nodeName: string, signal: AbortSignal): Promise<Summary> {
    const channels = await access.open(nodeName, { kind: 'stats' }, signal)
    const parts: Uint8Array[] = []
    let bytes = 0
    for await (const frame of channels.frames) {
      if (frame.channel !== channel.stdout || frame.data === undefined) continue
      parts.push(frame.data)
      bytes += frame.data.length
      if (bytes > maxSummaryBytes) throw new Error(`more than ${maxSummaryBytes} bytes of figures`)
    }
    return JSON.parse(Buffer.concat(parts).toString()) as Summary
  }

  async function summaries(names: readonly string[], signal: AbortSignal | undefined): Promise<Map<string, Summary>> {
    const found = new Map<string, Summary>()
    const queue = [...names]
    const worker = async (): Promise<void> => {
      for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
        const summary = await summaryOf(name, signal)
        if (summary !== undefined) found.set(name, summary)
      }
    }
    await Promise.all(Array.from({ length: Math.min(concurrency, queue.length) }, worker))
    return found
  }

  async function ofNodes(wanted: readonly Node[], signal: AbortSignal | undefined): Promise<KubeObject[]> {
    const found = await summaries(
      wanted.map(({ metadata }) => metadata.name ?? ''),
      signal,
    )
    return wanted.flatMap((node) => {
      const summary = found.get(node.metadata.name ?? '')
      return summary === undefined ? [] : [nodeMetrics(node, summary)]
    })
  }

  async function ofPods(wanted: readonly Pod[], signal: AbortSignal | undefined): Promise<KubeObject[]> {
    const names = new Set(wanted.flatMap((pod) => pod.spec?.nodeName ?? []))
    const found = await summaries([...names], signal)
    const byName = new Map(wanted.map((pod) => [`${pod.metadata.namespace}/${pod.metadata.name}`, pod]))
    return [...found].flatMap(([nodeName, summary]) =>
      podMetrics(summary, roomOf(nodes.get('', nodeName)), (namespace, name) => byName.get(`${namespace}/${name}`)),
    )
  }

  return {
    [`nodes.${metricsGroup}`]: {
      list: (_namespace, signal) => ofNodes(nodes.list(), signal),
      async get(_namespace, name, signal) {
        const node = nodes.get('', name)
        return node && (await ofNodes([node], signal))[0]
      },
    },
    [`pods.${metricsGroup}`]: {
      list: (namespace, signal) => ofPods(pods.list(namespace || undefined), signal),
      async get(namespace, name, signal) {
        const pod = pods.get(namespace, name)
        return pod && (await ofPods([pod], signal))[0]
      },
    },
  }
}

const roomOf = (node: Node | undefined): NodeRoom => ({
  cores: quantityMilliValue(node?.status?.capacity?.['cpu'] ?? '0') / 1000,
  memoryBytes: quantityValue(node?.status?.capacity?.['memory'] ?? '0'),
})
