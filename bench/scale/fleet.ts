import type { Node, Pod } from '../../src/api/kinds.ts'
import { refs } from '../../src/client/client.ts'
import { runningStatus } from '../../src/simulation/simulated-status.ts'
import type { Machine } from './machine.ts'

/** How long images, sandboxes and containers take, and how long a pod takes to end. */
const startMs = 1200
const stopMs = 800

const capacity = { cpu: '8', memory: '32Gi', pods: '110', 'ephemeral-storage': '100Gi' }

/** Kubelets without containers: what they write to the API, and when. */
export interface Fleet {
  readonly names: readonly string[]
  register(): Promise<void>
  /** Cuts the power of these nodes. */
  kill(names: readonly string[]): void
  /** Pods of nodes without power are never taken away by their kubelets. */
  isDead(nodeName: string | undefined): boolean
}

export function createFleet({ client, clock, informers, setAlive }: Machine, count: number): Fleet {
  const names = Array.from({ length: count }, (_, index) => `node-${index}`)
  const numbers = new Map(names.map((name, index) => [name, index]))
  const dead = new Set<string>()
  /** Work under way: a uid and what is done to it. */
  const busy = new Set<string>()
  let nextIp = 0

  const soon = (key: string, delayMs: number, work: () => Promise<unknown>): void => {
    if (busy.has(key)) return
    busy.add(key)
    clock.after(delayMs, () => {
      const over = (): void => void busy.delete(key)
      work().then(over, over)
    })
  }
  const isOurs = (pod: Pod): boolean => {
    const { nodeName = '' } = pod.spec ?? {}
    return numbers.has(nodeName) && !dead.has(nodeName)
  }
  const run = async ({ metadata: { namespace = '', name = '', uid } }: Pod): Promise<void> => {
    const number = nextIp++
    const ip = `10.${128 + ((number >> 16) & 127)}.${(number >> 8) & 255}.${number & 255}`
    const change = (pod: Pod): Pod | undefined =>
      pod.metadata.uid === uid && isOurs(pod)
        ? ({ ...pod, status: runningStatus(pod, clock.nowMs(), ip, '192.0.2.1') } as Pod)
        : undefined
    await client.mutate<Pod>(refs.pods, namespace, name, change, { subresource: 'status' })
  }

  informers.for<Pod>(refs.pods).onChange(({ object: pod }) => {
    if (!pod || !isOurs(pod)) return
    const { namespace = '', name = '', uid = '', deletionTimestamp } = pod.metadata
    if (deletionTimestamp)
      soon(`end ${uid}`, stopMs, async () => {
        if (isOurs(pod)) await client.delete(refs.pods, namespace, name, { gracePeriodSeconds: 0 })
      })
    else if (pod.status?.phase === 'Pending' || pod.status?.phase === undefined)
      soon(`run ${uid}`, startMs, () => run(pod))
  })

  return {
    names,
    async register() {
      for (const name of names) {
        const node: Node = {
          apiVersion: 'v1',
          kind: 'Node',
          metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' } },
        }
        await client.create(refs.nodes, node)
        const at = new Date(clock.nowMs()).toISOString().replace(/\.\d+Z$/, 'Z')
        const ready = {
          type: 'Ready',
          status: 'True',
          reason: 'KubeletReady',
          lastHeartbeatTime: at,
          lastTransitionTime: at,
        }
        const number = numbers.get(name)!
        const addresses = [{ type: 'InternalIP', address: `192.0.${number >> 8}.${number & 255}` }]
        await client.mutate<Node>(
          refs.nodes,
          '',
          name,
          (one) =>
            ({
              ...one,
              status: { ...one.status, capacity, allocatable: capacity, addresses, conditions: [ready] },
            }) as Node,
          { subresource: 'status' },
        )
      }
    },
    isDead: (nodeName = '') => dead.has(nodeName),
    kill(lost) {
      for (const name of lost) dead.add(name)
      for (const name of lost) setAlive(name, false)
    },
  }
}
