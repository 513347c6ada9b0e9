import type { Node } from '../api/kinds.ts'
import { refs, type Client } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'
import { timeOf } from './simulated-status.ts'

export interface RegistrationParts {
  clock: Clock
  client: Client
  informers: Informers
  self: string
  number: number
}

const capacity = { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '100Gi' }

/** The node as it should stand; writes nothing when it does. */
export async function registerNode(parts: RegistrationParts): Promise<void> {
  const { client, clock, informers, self, number } = parts
  const nodes = informers.for<Node>(refs.nodes)
  if (!nodes.get('', self)) {
    const labels = { 'kubernetes.io/hostname': self, 'kubernetes.io/os': 'linux' }
    await client.create(refs.nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: self, labels } })
  }
  const known = nodes.get('', self)?.status?.conditions
  if (known?.some(({ type, status }) => type === 'Ready' && status === 'True')) return
  const at = timeOf(clock.nowMs())
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: at, lastTransitionTime: at }
  const addresses = [
    { type: 'InternalIP', address: `192.0.2.${number}` },
    { type: 'Hostname', address: self },
  ]
  await client.mutate<Node>(
    refs.nodes,
    '',
    self,
    ({ status, ...node }) => {
      const conditions = [...(status?.conditions ?? []).filter(({ type }) => type !== 'Ready'), ready]
      return { ...node, status: { ...status, capacity, allocatable: capacity, addresses, conditions } } as Node
    },
    { subresource: 'status' },
  )
}
