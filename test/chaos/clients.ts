import { setTimeout as sleep } from 'node:timers/promises'
import type { KubeObject } from '../../src/api/object.ts'
import type { ChaosNode } from './chaos-cluster.ts'
import { type History, outcomeOf, settled } from './history.ts'
import { between, type Random } from './random.ts'

export const namespace = 'chaos'
export const configMaps = `/api/v1/namespaces/${namespace}/configmaps`
const services = `/api/v1/namespaces/${namespace}/services`

/** Short, so that a node that is gone does not stop its clients for long; what had no answer counts as unknown. */
const timeoutMs = 3_000
/** Long enough for a node without a leader to say so, in place of silence. */
const decidedTimeoutMs = 7_000

export interface Load {
  readonly node: ChaosNode
  readonly random: Random
  readonly history: History
  readonly signal: AbortSignal
}

interface ConfigMap extends KubeObject {
  data?: Record<string, string>
}

/** Repeats until the run is over, with a rest each time that keeps the load steady and small. */
export async function repeat(load: Load, act: (round: number) => Promise<void>): Promise<void> {
  for (let round = 0; !load.signal.aborted; round++) {
    await act(round)
    await sleep(between(load.random, 100, 400))
  }
}

/** Creates ConfigMaps of unique names, and deletes every fifth again. */
export const createAndDelete = (load: Load): Promise<void> =>
  repeat(load, async (round) => {
    const { client, name: node } = load.node
    const name = `of-${node}-${round}`
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { round: String(round) } }
    const created = await settled(client.json({ method: 'POST', path: configMaps, body, timeoutMs }))
    note('create', created.error)
    if (round % 5 === 4 && !created.error) {
      const deleted = await settled(client.json({ method: 'DELETE', path: `${configMaps}/${name}`, timeoutMs }))
      note('delete', deleted.error)
    }

    function note(verb: 'create' | 'delete', error: Error | undefined): void {
      load.history.declared.push({ node, verb, name, outcome: outcomeOf(error), error: error?.message ?? '' })
    }
  })

/** Patches a field that only this node's client writes, and one that all write, of one shared object. */
export const patchShared = (load: Load): Promise<void> =>
  repeat(load, async (round) => {
    const { client, name: node } = load.node
    for (const field of [`of-${node}`, 'contended']) {
      const value = `${node}-${round}`
      const { error } = await settled(
        client.json({
          method: 'PATCH',
          path: `${configMaps}/shared`,
          contentType: 'application/merge-patch+json',
          body: { data: { [field]: value } },
          timeoutMs,
        }),
      )
      load.history.fields.push({ node, field, value, outcome: outcomeOf(error) })
    }
  })

/** What a state of the counter is called: its count, and which write made it. */
export const counterState = ({ data = {} }: ConfigMap): string => `${data['count']} ${data['writer']}`

/** Adds one to a counter: reads it at its node, and replaces it under the resourceVersion that was read. */
export const count = (load: Load): Promise<void> =>
  repeat(load, async (round) => {
    const { client, name: node } = load.node
    const path = `${configMaps}/counter`
    const { value: read } = await settled(client.json<ConfigMap>({ path, timeoutMs }))
    if (!read) return
    const body = { ...read, data: { count: String(Number(read.data?.['count']) + 1), writer: `${node}-${round}` } }
    const calledMs = performance.now()
    const { error } = await settled(client.json({ method: 'PUT', path, body, timeoutMs: decidedTimeoutMs }))
    load.history.conditional.push({
      node,
      register: 'counter',
      expected: counterState(read),
      value: counterState(body),
      calledMs,
      returnedMs: performance.now(),
      outcome: outcomeOf(error),
      error: error?.message ?? '',
    })
  })

/** Creates Services; every third wants a node port. */
export const createServices = (load: Load): Promise<void> =>
  repeat(load, async (round) => {
    const { client, name: node } = load.node
    const name = `of-${node}-${round}`
    const type = round % 3 === 0 ? 'NodePort' : 'ClusterIP'
    const body = { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { type, ports: [{ port: 80 }] } }
    const { value } = await settled(client.json<KubeObject>({ method: 'POST', path: services, body, timeoutMs }))
    if (value) load.history.services.push({ node, name, object: value })
    await sleep(between(load.random, 1_000, 2_000))
  })
