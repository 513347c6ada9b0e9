import { readdir } from 'node:fs/promises'
import type { Node, Pod } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import type { Change } from '../../client/informer.ts'
import type { Timer } from '../../lib/clock.ts'
import type { Service } from '../../lib/service.ts'
import { refusal } from '../core/pod-admission.ts'
import type { StartFailure } from '../core/pod-view.ts'
import { resizeRefusal } from '../core/resize.ts'
import { memoryDirectory, podsDirectory } from '../volumes/pod-paths.ts'
import type { PodContext } from './pod-context.ts'
import { createPodWorker, type PodWorker } from './pod-worker.ts'

/** Every pod is looked at again this often, whatever was or was not told. */
const resyncMs = 60_000
/** What nobody owns is removed when it has been seen twice, this far apart. */
const cleanupMs = 30_000

/** One worker a pod that is bound to this node. */
export interface PodWorkers extends Service {
  wake(podUid: string): void
  wakeAll(): void
  /** Ends a pod for a cause of the node. */
  fail(podUid: string, failure: StartFailure, graceMs: number): void
  readonly count: () => number
}

export function createPodWorkers(context: PodContext): PodWorkers {
  const { options, observer } = context
  const { informers, clock, runtime } = options
  const logger = options.logger.child({ part: 'pods' })
  const pods = informers.for<Pod>(refs.pods)
  const workers = new Map<string, PodWorker>()
  const namesByUid = new Map<string, { namespace: string; name: string }>()
  const stops: (() => void)[] = []
  let timers: Timer[] = []
  let closed = false
  let suspects = new Set<string>()

  const isMine = (pod: Pod | undefined): pod is Pod =>
    pod !== undefined && pod.spec?.nodeName === options.nodeName && pod.metadata.uid !== undefined

  function currentOf(uid: string, namespace: string, name: string): Pod | undefined {
    const pod = pods.get(namespace, name)
    return pod?.metadata.uid === uid ? pod : undefined
  }

  const ownNode = () => informers.for<Node>(refs.nodes).get('', options.nodeName)

  /** The pods that have their place on this node. */
  const held = (exceptUid: string): Pod[] =>
    [...workers].flatMap(([uid, worker]) => (uid === exceptUid ? [] : (worker.held() ?? [])))

  function ensure(pod: Pod): PodWorker {
    const uid = pod.metadata.uid ?? ''
    const existing = workers.get(uid)
    if (existing !== undefined) return existing
    const { namespace = '', name = '' } = pod.metadata
    const worker = createPodWorker({
      context,
      pod,
      current: () => currentOf(uid, namespace, name),
      refusal: (one) => refusal({ pod: one, node: ownNode(), allocatable: context.allocatable(), others: held(uid) }),
      resizeRefusal: (one, granted) => resizeRefusal(one, granted, context.allocatable(), held(uid)),
      onDone: () => {
        workers.delete(uid)
        namesByUid.delete(uid)
      },
    })
    workers.set(uid, worker)
    namesByUid.set(uid, { namespace, name })
    return worker
  }

  function onPodChange({ object, previous }: Change<Pod>): void {
    if (closed) return
    if (isMine(object)) ensure(object).wake()
    const before = previous?.metadata.uid
    if (before !== undefined && before !== object?.metadata.uid) workers.get(before)?.wake()
  }

  /** Pods of the namespace may wait for it, or show it in a volume. */
  function onSourceChange({ namespace }: { namespace: string }): void {
    for (const [uid, worker] of workers) if (namesByUid.get(uid)?.namespace === namespace) worker.wakeForSources()
  }

  /** Containers, sandboxes and folders of pods that the API does not know (any more). */
  async function cleanUp(): Promise<void> {
    const running = observer.pods()
    if (running === undefined) return
    const places = [podsDirectory(options.dataDir), memoryDirectory(options.dataDir)]
    const folders = (await Promise.all(places.map((one) => readdir(one).catch(() => [])))).flat()
    const known = new Set(
      pods
        .list()
        .filter(isMine)
        .map((pod) => pod.metadata.uid),
    )
    const orphans = [...running, ...folders].filter((uid) => !known.has(uid) && !workers.has(uid))
    const attached = (await options.podNetwork.list()).map((one) => one.podUid)
    orphans.push(...attached.filter((uid) => !known.has(uid) && !workers.has(uid)))
    const seenTwice = orphans.filter((uid) => suspects.has(uid))
    suspects = new Set(orphans)
    for (const uid of new Set(seenTwice)) await removeOrphan(uid)
  }

  async function removeOrphan(uid: string): Promise<void> {
    logger.info({ uid }, 'removing what is left of a pod that no longer exists')
    const left = observer.of(uid)
    await Promise.all(
      left
        .filter((one) => one.role === 'container' && one.state === 'running')
        .map((one) => runtime.stop(one.id, 1_000)),
    )
    await options.podNetwork.detach(uid)
    context.podIps.delete(uid)
    for (const one of left) {
      await runtime.remove(one.id)
      await observer.refresh(one.id)
    }
    await context.volumes.unmount(uid)
    await context.devices.release(uid)
    suspects.delete(uid)
  }

  function every(periodMs: number, run: () => Promise<void> | void): Timer {
    let timer: Timer
    const again = (): void => {
      timer = clock.after(periodMs, () => {
        Promise.resolve(run())
          .catch((error: unknown) =>
            logger.warn({ error: (error as Error).message }, 'clean-up failed; trying again later'),
          )
          .finally(() => {
            if (!closed) again()
          })
      })
    }
    again()
    return { cancel: () => timer.cancel() }
  }

  const wakeAll = (): void => workers.forEach((worker) => worker.wake())

  return {
    async start() {
      stops.push(pods.onChange(onPodChange))
      for (const ref of [refs.configMaps, refs.secrets, refs.persistentVolumeClaims]) {
        stops.push(informers.for(ref).onChange(onSourceChange))
      }
      for (const pod of pods.list()) if (isMine(pod)) ensure(pod).wake()
      timers = [every(resyncMs, wakeAll), every(cleanupMs, cleanUp)]
    },
    async stop() {
      closed = true
      for (const one of stops) one()
      for (const timer of timers) timer.cancel()
      await Promise.all([...workers.values()].map((worker) => worker.stop()))
      workers.clear()
    },
    wake: (podUid) => workers.get(podUid)?.wake(),
    wakeAll,
    fail: (podUid, failure, graceMs) => workers.get(podUid)?.fail(failure, graceMs),
    count: () => workers.size,
  }
}
