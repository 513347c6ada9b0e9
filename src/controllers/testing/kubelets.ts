import type { Node, Pod, PodCondition } from '../../api/kinds.ts'
import { type Client, refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { matchesNode } from '../../api/node-selector.ts'
import { timestamp } from '../reconcile/timestamp.ts'

/** What becomes of a pod once it is started. */
export type Fate = 'ready' | 'running' | 'succeeded' | { failed: number } | 'pending'

/** The scheduler and every node's kubelet, pretended: pods are bound, run, become ready and end, a second later each. */
export interface Kubelets {
  /** What becomes of pods started from now on. */
  fate(of: (pod: Pod) => Fate): void
  /** A node that is lost does nothing more until it is back. */
  lose(node: string): void
  regain(node: string): Promise<void>
  /** Writes the node's own status: all is well. */
  report(node: string): Promise<void>
  stop(): void
}

const stepMs = 1000

export function createKubelets({
  client,
  informers,
  clock,
}: {
  client: Client
  informers: Informers
  clock: Clock
}): Kubelets {
  const lost = new Set<string>()
  let fateOf: (pod: Pod) => Fate = () => 'ready'
  let timer: Timer | undefined
  let isStopped = false
  let nextIp = 1

  const condition = (type: string, status: boolean): PodCondition => ({
    type,
    status: status ? 'True' : 'False',
    lastTransitionTime: timestamp(clock.nowMs()),
  })

  const write = (pod: Pod, change: (status: NonNullable<Pod['status']>) => void): Promise<unknown> =>
    client
      .mutate<Pod>(
        refs.pods,
        pod.metadata.namespace!,
        pod.metadata.name!,
        (current) => {
          if (current.metadata.uid !== pod.metadata.uid) return undefined
          current.status ??= {}
          change(current.status)
          return current
        },
        { subresource: 'status' },
      )
      .catch(() => undefined)

  async function bind(pod: Pod): Promise<void> {
    const counts = new Map<string, number>()
    for (const other of informers.for<Pod>(refs.pods).list())
      counts.set(other.spec?.nodeName ?? '', (counts.get(other.spec?.nodeName ?? '') ?? 0) + 1)
    const node = informers
      .for<Node>(refs.nodes)
      .list()
      .filter((one) => matchesNode(pod.spec, one) && !refuses(one, pod))
      .toSorted((a, b) => (counts.get(a.metadata.name!) ?? 0) - (counts.get(b.metadata.name!) ?? 0))[0]
    if (!node) return
    const { namespace, name } = pod.metadata
    await client
      .create(
        refs.pods,
        {
          apiVersion: 'v1',
          kind: 'Binding',
          metadata: { namespace, name },
          target: { apiVersion: 'v1', kind: 'Node', name: node.metadata.name },
        } as never,
        { subresource: 'binding' },
      )
      .catch(() => undefined)
  }

  async function end(pod: Pod, phase: 'Succeeded' | 'Failed', exitCode: number): Promise<void> {
    await write(pod, (status) => {
      status.phase = phase
      status.conditions = [
        ...(status.conditions ?? []).filter((one) => one.type !== 'Ready'),
        condition('Ready', false),
      ]
      status.containerStatuses = (pod.spec?.containers ?? []).map((container) => ({
        name: container.name,
        image: container.image ?? '',
        imageID: '',
        ready: false,
        restartCount: 0,
        state: { terminated: { exitCode, finishedAt: timestamp(clock.nowMs()) } },
      }))
    })
  }

  async function step(pod: Pod): Promise<void> {
    const { nodeName } = pod.spec ?? {}
    const phase = pod.status?.phase
    if (!nodeName) return pod.metadata.deletionTimestamp ? undefined : bind(pod)
    if (lost.has(nodeName)) return
    if (pod.metadata.deletionTimestamp) {
      if (phase !== 'Succeeded' && phase !== 'Failed') await end(pod, 'Failed', 143)
      await client
        .delete(refs.pods, pod.metadata.namespace!, pod.metadata.name!, { gracePeriodSeconds: 0 })
        .catch(() => undefined)
      return
    }
    const fate = fateOf(pod)
    const isUp = phase === 'Running'
    if (phase === 'Succeeded' || phase === 'Failed' || fate === 'pending') return
    if (
      !isUp ||
      (fate === 'ready' && !pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'))
    ) {
      await write(pod, (status) => {
        status.phase = 'Running'
        status.podIP ??= `10.244.0.${nextIp++}`
        status.podIPs = [{ ip: status.podIP }]
        status.conditions = [
          ...(status.conditions ?? []).filter((one) => one.type !== 'Ready'),
          condition('Ready', fate === 'ready'),
        ]
      })
      return
    }
    if (fate === 'succeeded') await end(pod, 'Succeeded', 0)
    else if (typeof fate === 'object') await end(pod, 'Failed', fate.failed)
  }

  const tick = async (): Promise<void> => {
    for (const pod of informers.for<Pod>(refs.pods).list()) if (!isStopped) await step(pod)
    if (!isStopped) timer = clock.after(stepMs, () => void tick())
  }
  timer = clock.after(stepMs, () => void tick())

  const report = async (name: string): Promise<void> => {
    await client.mutate<Node>(
      refs.nodes,
      '',
      name,
      (node) => {
        const now = timestamp(clock.nowMs())
        const before = node.status?.conditions?.find((one) => one.type === 'Ready')
        const isKept = before?.status === 'True'
        const ready = {
          type: 'Ready',
          status: 'True',
          reason: 'KubeletReady',
          lastHeartbeatTime: now,
          lastTransitionTime: isKept ? before.lastTransitionTime : now,
        }
        const others = (node.status?.conditions ?? []).filter((one) => one.type !== 'Ready' && one.status !== 'Unknown')
        node.status = { ...node.status, conditions: [...others, ready] }
        return node
      },
      { subresource: 'status' },
    )
  }

  return {
    fate: (of) => void (fateOf = of),
    lose: (node) => void lost.add(node),
    async regain(node) {
      lost.delete(node)
      await report(node)
    },
    report,
    stop() {
      isStopped = true
      timer?.cancel()
    },
  }
}

const refuses = (node: Node, pod: Pod): boolean =>
  (node.spec?.taints ?? []).some(
    (taint) =>
      taint.effect !== 'PreferNoSchedule' &&
      !(pod.spec?.tolerations ?? []).some(
        (one) => (!one.key || one.key === taint.key) && (!one.effect || one.effect === taint.effect),
      ),
  )
