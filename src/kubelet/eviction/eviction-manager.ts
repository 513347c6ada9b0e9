import type { Pod } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import type { Timer } from '../../lib/clock.ts'
import type { Service } from '../../lib/service.ts'
import { timeText } from '../core/container-status.ts'
import { isTerminalPhase, type StartFailure } from '../core/pod-view.ts'
import { measurePressure, type Pressure } from '../node/machine.ts'
import { thresholds } from '../node/thresholds.ts'
import type { KubeletOptions } from '../options.ts'
import { podReference } from '../options.ts'
import type { StatsSummary } from '../serve/stats-summary.ts'
import { podPaths } from '../volumes/pod-paths.ts'
import { diskUse, exceededVolume } from './local-storage.ts'
import { binaryQuantity, evictionMessage, rankForEviction, type Candidate, type EvictedResource } from './rank.ts'

export interface EvictionManagerOptions {
  readonly options: KubeletOptions
  readonly summary: StatsSummary
  /** Ends a pod; its phase becomes Failed. */
  readonly fail: (podUid: string, failure: StartFailure, graceMs: number) => void
  /** Makes room on the disk without ending anything. True when it did. */
  readonly collectImages: () => Promise<boolean>
  readonly measure?: () => Promise<Pressure>
}

/** As often as upstream's housekeeping. */
const lookMs = 10_000
const timeoutMs = 30_000

interface Shortage {
  readonly resource: EvictedResource
  readonly threshold: string
  readonly available: string
}

const percent = (ratio: number): string => `${Math.round(ratio * 100)}%`

function shortageOf(pressure: Pressure): Shortage | undefined {
  const { memoryAvailableBytes, diskAvailableRatio, inodesAvailableRatio, pidsAvailableRatio } = pressure
  if (memoryAvailableBytes < thresholds.memoryBytes) {
    const available = binaryQuantity(memoryAvailableBytes)
    return { resource: 'memory', threshold: binaryQuantity(thresholds.memoryBytes), available }
  }
  const least = Math.min(diskAvailableRatio / thresholds.disk, inodesAvailableRatio / thresholds.inodes)
  if (least < 1) {
    const available = percent(least * thresholds.disk)
    return { resource: 'ephemeral-storage', threshold: percent(thresholds.disk), available }
  }
  if (pidsAvailableRatio < thresholds.pids) {
    return { resource: 'pids', threshold: percent(thresholds.pids), available: percent(pidsAvailableRatio) }
  }
  return undefined
}

/** Ends pods that write more than their volumes allow, and one pod a round while the machine is short of something. */
export function createEvictionManager({
  options,
  summary,
  fail,
  collectImages,
  measure = () => measurePressure(options.dataDir),
}: EvictionManagerOptions): Service {
  const { clock, client, informers, nodeName, dataDir } = options
  const logger = options.logger.child({ part: 'eviction' })
  let timer: Timer | undefined
  let looking: Promise<void> | undefined
  let closed = false

  const activePods = (): Pod[] =>
    informers
      .for<Pod>(refs.pods)
      .list()
      .filter(({ spec, status, metadata }) => {
        return spec?.nodeName === nodeName && !isTerminalPhase(status?.phase) && !metadata.deletionTimestamp
      })

  async function look(): Promise<void> {
    for (const pod of activePods()) {
      const message = await exceededVolume(dataDir, pod)
      if (message !== undefined) await evict(pod, message)
    }
    const shortage = shortageOf(await measure())
    if (shortage === undefined) return
    if (shortage.resource === 'ephemeral-storage' && (await collectImages())) return
    const [first] = rankForEviction(await candidates(shortage.resource), shortage.resource)
    if (first === undefined) {
      logger.warn(shortage, 'the node is short of a resource and there is no pod to evict')
      return
    }
    await evict(first.pod, evictionMessage(first, shortage.resource, shortage.threshold, shortage.available))
  }

  async function candidates(resource: EvictedResource): Promise<Candidate[]> {
    const pods = activePods()
    if (resource === 'ephemeral-storage') {
      const found: Candidate[] = []
      for (const pod of pods) {
        found.push({ pod, use: await diskUse(podPaths(dataDir, pod.metadata.uid ?? '').root) })
      }
      return found
    }
    const { pods: stats } = await summary.read(AbortSignal.timeout(timeoutMs))
    return pods.map((pod) => {
      const one = stats.find(({ podRef }) => podRef.uid === pod.metadata.uid)
      return { pod, use: (resource === 'memory' ? one?.memory.workingSetBytes : one?.process_stats.process_count) ?? 0 }
    })
  }

  async function evict(pod: Pod, message: string): Promise<void> {
    const { namespace = '', name = '', uid = '' } = pod.metadata
    options.events.event(podReference(pod), 'Warning', 'Evicted', message)
    const type = 'DisruptionTarget'
    const lastTransitionTime = timeText(clock.nowMs())
    const condition = { type, status: 'True', reason: 'TerminationByKubelet', message, lastTransitionTime }
    await client.mutate<Pod>(
      refs.pods,
      namespace,
      name,
      (latest) => {
        if (latest.metadata.uid !== uid) return undefined
        const others = (latest.status?.conditions ?? []).filter((one) => one.type !== type)
        return { ...latest, status: { ...latest.status, conditions: [...others, condition] } }
      },
      { subresource: 'status' },
    )
    // Hard thresholds grant no grace period.
    fail(uid, { reason: 'Evicted', message }, 1_000)
  }

  function again(): void {
    if (closed) return
    timer = clock.after(lookMs, () => {
      looking = look()
        .catch((error: unknown) => logger.warn({ error: (error as Error).message }, 'eviction round failed'))
        .finally(again)
    })
  }

  return {
    async start() {
      again()
    },
    async stop() {
      closed = true
      timer?.cancel()
      await looking
    },
  }
}
