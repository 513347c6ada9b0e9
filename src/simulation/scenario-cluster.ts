import { isStatus } from '../api/status-error.ts'
import type { KubeObject } from '../api/object.ts'
import { openAuthority, type CertificateAuthority } from '../pki/certificate-authority.ts'
import { createClusterSecrets, type ClusterSecrets } from '../pki/cluster-secrets.ts'
import { seededRandom } from '../lib/seeded-random.ts'
import { fieldLayout } from '../schema/field-layout.ts'
import { loadBuiltinSchemas } from '../schema/graph.ts'
import { PodLedger } from './pod-ledger.ts'
import { scenarioNode, type ScenarioNode } from './scenario-node.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

const epochMs = Date.UTC(2026, 5, 1)

/** Keys and certificates of simulated clusters. What they are decides nothing, so that many clusters may share them. */
export interface SimulatedAuthority {
  readonly secrets: ClusterSecrets
  readonly authority: CertificateAuthority
}

export async function simulatedAuthority(): Promise<SimulatedAuthority> {
  const chance = seededRandom(1)
  const secrets = await createClusterSecrets('simulated', epochMs, chance)
  return { secrets, authority: await openAuthority(secrets.ca, chance) }
}

/** A simulated cluster with everything above the store: API, scheduler, controllers, and kubelets without containers. */
export interface ScenarioCluster {
  readonly cluster: SimulatedCluster
  /** What runs on the nodes that are up, by name. */
  readonly running: ReadonlyMap<string, ScenarioNode>
  readonly ledger: PodLedger
}

export function scenarioCluster(options: { seed: number; nodes: number } & SimulatedAuthority): ScenarioCluster {
  const { secrets, authority } = options
  const graph = loadBuiltinSchemas()
  const running = new Map<string, ScenarioNode>()
  const cluster: SimulatedCluster = new SimulatedCluster({
    seed: options.seed,
    nodes: options.nodes,
    layout: fieldLayout((ref) => {
      const catalogue = running.values().next().value?.catalogue
      const definition = catalogue?.preferred(ref)
      const stored = definition && catalogue?.storage(definition)
      return stored && ((stored as { schema?: ReturnType<typeof graph.get> }).schema ?? graph.get(stored.schemaName))
    }),
    onBoot(node, life) {
      running.set(node.name, scenarioNode({ node, life, chance: cluster.chance, secrets, authority, ledger }))
    },
    onEnd: (node) => ledger.powerOff(node.name),
    onLead: (node, term, lost) => running.get(node.name)?.lead(term, lost),
  })
  const isHung = (name: string) => cluster.nodes.some((node) => node.name === name && node.life?.clock.isPaused)
  const ledger = new PodLedger(cluster.records.problem, isHung)
  return { cluster, running, ledger }
}

/** Creates an object through a node, in the namespace `default` when it names none. Throws when it is refused. */
export async function createObject({ catalogue, client }: ScenarioNode, object: KubeObject): Promise<void> {
  const definition = catalogue
    .all()
    .find(
      ({ group, version, kind }) =>
        kind === object.kind && [group, version].filter(Boolean).join('/') === object.apiVersion,
    )
  if (!definition) throw new Error(`no matches for kind ${object.kind} in version ${object.apiVersion}`)
  const { metadata } = object
  const namespaced = definition.namespaced ? { ...metadata, namespace: metadata.namespace ?? 'default' } : metadata
  await client.create(definition, { ...object, metadata: namespaced }).catch((error: unknown) => {
    if (!isStatus(error, 'AlreadyExists')) throw error
  })
}
