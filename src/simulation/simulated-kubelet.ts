import type { Node, Pod } from '../api/kinds.ts'
import { refs, type Client } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'

/** How long images, sandboxes and containers take here, and how long a pod takes to end. */
const startMs = 1_200
const stopMs = 800
/** Pods that are not restarted have done their work after this long. */
const workMs = 5_000
const heartbeatMs = 5_000

export interface SimulatedKubeletParts {
  clock: Clock
  client: Client
  pods: Informer<Pod>
  nodes: Informer<Node>
  self: string
  number: number
}

/**
 * Does to the API what a kubelet does, with time alone in place of containers: registers its node, runs the pods that
 * are bound to it, and takes them away when they are deleted. It ends with its clock.
 */
export function keepNode(parts: SimulatedKubeletParts): void {
  const { clock, pods, self } = parts
  const busy = new Set<string>()
  let addresses = 1
  const soon = (pod: Pod, delayMs: number, what: string, work: () => Promise<unknown>): void => {
    const key = `${pod.metadata.uid} ${what}`
    if (busy.has(key)) return
    busy.add(key)
    clock.after(delayMs, () => {
      const over = () => void busy.delete(key)
      work().then(over, over)
    })
  }
  const look = (pod: Pod): void => {
    if (pod.spec?.nodeName !== self) return
    const { phase } = pod.status ?? {}
    if (pod.metadata.deletionTimestamp) soon(pod, stopMs, 'end', () => remove(parts, pod))
    else if (phase === undefined || phase === 'Pending') {
      soon(pod, startMs, 'start', () =>
        report(parts, pod, 'Running', `10.244.${parts.number}.${(addresses += 1) % 250}`),
      )
    } else if (phase === 'Running' && pod.spec?.restartPolicy !== 'Always') {
      soon(pod, workMs, 'finish', () => report(parts, pod, 'Succeeded'))
    }
  }
  pods.onChange(({ object }) => {
    if (object) look(object)
  })
  const beat = (): void => {
    void register(parts).catch(() => undefined)
    for (const pod of pods.list()) look(pod)
    clock.after(heartbeatMs, beat)
  }
  clock.after(500, beat)
}

const remove = ({ client }: SimulatedKubeletParts, { metadata }: Pod): Promise<void> =>
  client.delete(refs.pods, metadata.namespace ?? '', metadata.name ?? '', { gracePeriodSeconds: 0 })

function report(parts: SimulatedKubeletParts, pod: Pod, phase: string, podIP?: string): Promise<unknown> {
  const { client, clock } = parts
  const at = timeOf(clock.nowMs())
  const status = phase === 'Running' ? 'True' : 'False'
  const conditions = ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({
    type,
    status: type === 'PodScheduled' || type === 'Initialized' ? 'True' : status,
    lastTransitionTime: at,
  }))
  const containerStatuses = (pod.spec?.containers ?? []).map(({ name, image }) => ({
    name,
    image: image ?? '',
    imageID: image ?? '',
    ready: status === 'True',
    restartCount: 0,
    state:
      phase === 'Running'
        ? { running: { startedAt: at } }
        : { terminated: { exitCode: 0, reason: 'Completed', finishedAt: at } },
  }))
  return client.mutate<Pod>(
    refs.pods,
    pod.metadata.namespace ?? '',
    pod.metadata.name ?? '',
    (current) =>
      current.metadata.uid !== pod.metadata.uid || current.metadata.deletionTimestamp
        ? undefined
        : ({
            ...current,
            status: {
              ...current.status,
              phase,
              conditions,
              containerStatuses,
              startTime: current.status?.startTime ?? at,
              ...(podIP ? { podIP, podIPs: [{ ip: podIP }], hostIP: hostOf(parts) } : {}),
            },
          } as Pod),
    { subresource: 'status' },
  )
}

const hostOf = ({ number }: SimulatedKubeletParts): string => `192.0.2.${number}`
const timeOf = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')

/** The node as it should stand; writes nothing when it does. */
async function register(parts: SimulatedKubeletParts): Promise<void> {
  const { client, clock, nodes, self } = parts
  const known = nodes.get('', self)
  if (!known) {
    await client.create(refs.nodes, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: self, labels: { 'kubernetes.io/hostname': self, 'kubernetes.io/os': 'linux' } },
    })
  }
  const isReady = nodes
    .get('', self)
    ?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
  if (isReady) return
  const capacity = { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '100Gi' }
  const at = timeOf(clock.nowMs())
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: at, lastTransitionTime: at }
  await client.mutate<Node>(
    refs.nodes,
    '',
    self,
    (current) =>
      ({
        ...current,
        status: {
          ...current.status,
          capacity,
          allocatable: capacity,
          addresses: [
            { type: 'InternalIP', address: hostOf(parts) },
            { type: 'Hostname', address: self },
          ],
          conditions: [...(current.status?.conditions ?? []).filter(({ type }) => type !== 'Ready'), ready],
        },
      }) as Node,
    { subresource: 'status' },
  )
}
