import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/api/object.ts'
import { eventually, run, stormoOk } from '../support/cluster.ts'
import { type ChaosCluster, removeCluster, startCluster } from './chaos-cluster.ts'
import { type ChaosRun, objectsOf, runChaos } from './chaos-run.ts'
import * as checks from './checks.ts'
import { configMaps, counterState, namespace } from './clients.ts'
import { first, type Lease, leasePath, leaseState } from './lease-client.ts'

/**
 * A real cluster of three machines under load and faults, and what its clients' records say of its promises.
 * STORMO_CHAOS_SEED repeats a sequence of faults (not the moments between), STORMO_CHAOS_SECONDS sets its length,
 * STORMO_CHAOS_HISTORY names a file that the records are written to.
 */
const seed = Number(
  process.env['STORMO_CHAOS_SEED'] ?? (process.env['STORMO_TEST_ALL'] ? Math.floor(Math.random() * 2 ** 31) : 14),
)
const seconds = Number(process.env['STORMO_CHAOS_SECONDS'] ?? 60)
const clusterName = 'chaos'
const root = fileURLToPath(new URL('../..', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'stormo-chaos-'))

let cluster: ChaosCluster
let chaos: ChaosRun

beforeAll(
  async () => {
    console.log(`chaos: STORMO_CHAOS_SEED=${seed} STORMO_CHAOS_SECONDS=${seconds}`)
    cluster = await startCluster(clusterName)
    const image = join(scratch, 'hello.tar')
    expect((await run(join(root, 'examples/hello/build-image.sh'), [image])).code).toBe(0)
    await stormoOk('image', 'load', image, '--name', cluster.name)
    const kubeconfig = join(scratch, 'kubeconfig')
    writeFileSync(
      kubeconfig,
      await stormoOk('cluster', 'kubeconfig', '--name', cluster.name, '--node', `${clusterName}-1`),
    )
    await stormoOk('apply', '--kubeconfig', kubeconfig, '-f', join(root, 'examples/hello'))
    await stormoOk('rollout', 'status', 'deployment/hello', '--kubeconfig', kubeconfig, '--timeout', '60s')
    chaos = await runChaos(cluster, seed, seconds * 1000)
    const { history } = chaos
    const file = process.env['STORMO_CHAOS_HISTORY']
    if (file) writeFileSync(file, JSON.stringify({ seed, ...history, bindings: chaos.bindings }, undefined, 1))
  },
  600_000 + seconds * 1000,
)

afterAll(async () => {
  await chaos?.stopWatching()
  if (cluster) for (const { client } of cluster.nodes) client.close()
  await removeCluster(clusterName)
  rmSync(scratch, { recursive: true, force: true })
})

interface ConfigMap extends KubeObject {
  data?: Record<string, string>
}

interface Service extends KubeObject {
  spec: { clusterIP?: string; ports?: { nodePort?: number }[] }
}

interface Pod extends KubeObject {
  spec: { hostNetwork?: boolean }
  status?: { phase?: string; podIP?: string }
}

describe('three machines under faults', () => {
  it('did work, and were harmed', () => {
    const { declared, conditional, holdings, faults } = chaos.history
    expect(faults.length).toBeGreaterThan(2)
    expect(declared.some(({ outcome }) => outcome === 'acknowledged')).toBe(true)
    for (const register of ['counter', 'lease'])
      expect(conditional.some((one) => one.register === register && one.outcome === 'acknowledged')).toBe(true)
    expect(holdings.length).toBeGreaterThan(0)
    const tally = Object.groupBy([...declared, ...conditional], ({ outcome }) => outcome)
    console.log(
      `chaos: ${Object.entries(tally)
        .map(([outcome, all]) => `${all.length} ${outcome}`)
        .join(', ')}`,
    )
  })

  it('never had two leaders of one term', () => {
    expect(chaos.history.leaders.length).toBeGreaterThan(0)
    expect(checks.leadersOfTerms(chaos.history.leaders)).toEqual([])
  })

  it('lost no declared write that was acknowledged, and made none that was refused', async () => {
    for (const { name, client } of cluster.nodes) {
      const { items } = await client.json<{ items: KubeObject[] }>({ path: configMaps })
      const present = new Set(items.map(({ metadata }) => metadata.name ?? ''))
      expect(checks.declaredWrites(chaos.history.declared, present, name)).toEqual([])
    }
  })

  it('kept every field that was written', async () => {
    for (const { client } of cluster.nodes) {
      const { data } = await client.json<ConfigMap>({ path: `${configMaps}/shared` })
      expect(checks.fieldWrites(chaos.history.fields, data ?? {})).toEqual([])
    }
  })

  it('counted every acknowledged increment once, in order', async () => {
    const writes = chaos.history.conditional.filter(({ register }) => register === 'counter')
    for (const { client } of cluster.nodes) {
      const final = counterState(await client.json<ConfigMap>({ path: `${configMaps}/counter` }))
      expect(checks.conditionalWrites(writes, '0 none', final)).toEqual([])
    }
  })

  it('gave the Lease to one holder at a time', async () => {
    const writes = chaos.history.conditional.filter(({ register }) => register === 'lease')
    for (const { client } of cluster.nodes) {
      const final = leaseState(await client.json<Lease>({ path: leasePath }))
      expect(checks.conditionalWrites(writes, leaseState(first()), final)).toEqual([])
    }
    expect(checks.leaseHoldings(chaos.history.holdings)).toEqual([])
  })

  it('told watchers everything, in order, once', async () => {
    for (const [node, watch] of chaos.configMapWatches) {
      const { items } = await eventually(
        `the watch of ${node.name} comes to what is listed`,
        async () => {
          const list = await node.client.json<{ items: KubeObject[] }>({ path: configMaps })
          return list.items.every((one) => isTold(watch.known, one)) && list.items.length === watch.known.size && list
        },
        60_000,
      )
      expect(items.length).toBeGreaterThan(0)
      expect(watch.events()).toBeGreaterThan(0)
    }
    const watches = [...chaos.configMapWatches.values(), ...chaos.podWatches.values()]
    expect(watches.flatMap(({ problems }) => problems)).toEqual([])
  })

  it('bound no pod twice, and gave no address twice', async () => {
    expect(checks.givenTwice('a node for pod', chaos.bindings)).toEqual([])
    for (const node of cluster.nodes) {
      const objects = await objectsOf(node)
      const services = objects.filter(({ kind }) => kind === 'Service') as Service[]
      const pods = (objects.filter(({ kind }) => kind === 'Pod') as Pod[]).filter(
        ({ spec, status }) => !spec.hostNetwork && status?.podIP && !/Succeeded|Failed/.test(status.phase ?? ''),
      )
      const name = ({ metadata }: KubeObject): string => `${metadata.namespace}/${metadata.name}`
      expect(services.length).toBeGreaterThan(2)
      expect(
        checks.givenTwice(
          'cluster IP',
          services.filter(hasClusterIp).map((one) => [one.spec.clusterIP!, name(one)]),
        ),
      ).toEqual([])
      expect(
        checks.givenTwice(
          'node port',
          services.flatMap((one) =>
            (one.spec.ports ?? []).flatMap(({ nodePort }) =>
              nodePort ? [[String(nodePort), name(one)] as const] : [],
            ),
          ),
        ),
      ).toEqual([])
      expect(
        checks.givenTwice(
          'pod IP',
          pods.map((one) => [one.status!.podIP!, name(one)]),
        ),
      ).toEqual([])
      // What the answer to a creation said stays true.
      const current = new Map(services.map((one) => [name(one), one]))
      for (const { object } of chaos.history.services) {
        const { clusterIP, ports } = (object as Service).spec
        const found = current.get(name(object))?.spec
        expect({ of: name(object), clusterIP: found?.clusterIP, ports: found?.ports }).toEqual({
          of: name(object),
          clusterIP,
          ports,
        })
      }
    }
  })

  it('brought the Deployment back to its replicas', async () => {
    const [{ client }] = cluster.nodes as [ChaosCluster['nodes'][number]]
    const status = await eventually(
      'three replicas',
      async () => {
        const path = '/apis/apps/v1/namespaces/default/deployments/hello'
        const { status } = await client.json<{ status?: Record<string, number> }>({ path })
        return status?.['availableReplicas'] === 3 && status['replicas'] === 3 && status
      },
      120_000,
    )
    expect(status).toMatchObject({ readyReplicas: 3, updatedReplicas: 3 })
  })
})

const hasClusterIp = ({ spec }: Service): boolean => spec.clusterIP !== undefined && spec.clusterIP !== 'None'

/** The watch came to the same state of the object. */
function isTold(known: ReadonlyMap<string, KubeObject>, { metadata }: KubeObject): boolean {
  return known.get(`${namespace}/${metadata.name}`)?.metadata.resourceVersion === metadata.resourceVersion
}
