import type { Informers } from '../client/informer.ts'
import { createDecisionLog } from '../decision/create-decision-log.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import { openLmdbLogStorage } from '../decision/lmdb-log-storage.ts'
import { builtinResources } from '../kinds/builtin.ts'
import type { Service } from '../lib/service.ts'
import type { Mesh } from '../mesh/mesh.ts'
import { createCatalogue, type Catalogue } from '../registry/catalogue.ts'
import { storeInformers } from '../registry/store-informers.ts'
import { schemaOf } from '../registry/type-system.ts'
import { Replicator } from '../replication/replicator.ts'
import { fieldLayout } from '../schema/field-layout.ts'
import { loadBuiltinSchemas, type SchemaGraph } from '../schema/graph.ts'
import type { Conflict } from '../store/conflict.ts'
import { lmdbDisk } from '../store/lmdb-disk.ts'
import { openStore, type ObjectStore } from '../store/object-store.ts'
import type { FieldLayout } from '../store/store.ts'
import type { AgentParts } from './agent-parts.ts'
import { furtherRanges, followHoldings, pairedFamilies } from './service-addresses.ts'
import { paths } from './settings.ts'
import { databaseBytes, storeMetrics } from './store-metrics.ts'
import type { ReplicaReport } from './status.ts'

/** This node's copy of the cluster's state: declared objects, the log of decisions, and what keeps both equal to the peers'. */
export interface LocalReplica {
  graph: SchemaGraph
  catalogue: Catalogue
  store: ObjectStore
  informers: Informers
  replicator: Replicator
  decisions: DecisionLog
  /** In the order in which they start: the disk before the store, so that it is closed after it. */
  storage: Service[]
  /** Who hears of values that lost against another writer's. One at most. */
  reportConflictsTo(report: (conflict: Conflict) => void): void
  /** Age of a peer's writes as they last arrived, in ms; 0 when it was compared with and has written nothing since. */
  lagMs(peer: string): number | null
  /** What the status says of this node's replica. */
  report(): ReplicaReport
  /** Prometheus text. */
  metrics(): string
}

/** Opens what is on disk. Throws when it is of an unknown format; damaged objects are fetched from peers later. */
export async function openReplica(parts: AgentParts, mesh: Mesh): Promise<LocalReplica> {
  const { settings, identity, membership, clock, random, logger } = parts
  const { config } = membership
  const files = paths(settings.dataDir)
  const self = { node: identity.node.nodeName, peer: identity.node.peerId }
  const encryptionKey = Buffer.from(identity.cluster.encryptionKeys[0]!.key, 'base64')
  const disk = lmdbDisk({ path: files.store, encryptionKey })
  const graph = loadBuiltinSchemas()
  // The store asks about kinds as soon as it loads what is on disk; custom resources come into the catalogue later.
  const catalogue = createCatalogue(builtinResources(graph))
  let reportConflict: (conflict: Conflict) => void = () => undefined
  const store = await openStore({
    disk,
    clock,
    random,
    logger,
    nodeNumber: membership.self.number,
    layout: documentLayout(catalogue, graph),
    onConflict: (conflict) => reportConflict(conflict),
  })
  const informers = storeInformers(store)
  const replicator = new Replicator({
    mesh,
    replica: store,
    clock,
    random,
    logger,
    onStale: (peer) => logger.error({ peer }, 'this node was away for too long: its state is stale'),
  })
  const families = pairedFamilies(informers, config)
  const decisions = createDecisionLog({
    mesh,
    storage: openLmdbLogStorage(files.log),
    sink: store,
    clock,
    random,
    logger,
    self,
    inUse: followHoldings(informers, families),
    furtherRanges: () => furtherRanges(informers, config),
    bootstrapPeers: () => membership.members.map((member) => member.peer).filter((peer) => peer !== self.peer),
  })
  store.setDecisions(decisions)

  return {
    graph,
    catalogue,
    store,
    informers,
    replicator,
    decisions,
    storage: [{ start: async () => undefined, stop: () => disk.close() }, store],
    reportConflictsTo: (report) => (reportConflict = report),
    lagMs(peer) {
      const known = replicator.status().peers.find((one) => one.peer === peer)
      return known?.lagMs ?? (known?.lastSyncMs ? 0 : null)
    },
    report: () => ({
      documents: store.documentCount(),
      appliedIndex: decisions.status().appliedIndex,
      sinceSyncMs: sinceSyncOf(replicator, clock.nowMs()),
      diskBytes: (databaseBytes(files.store) ?? 0) + (databaseBytes(files.log) ?? 0),
      diskFault: store.diskFault ?? null,
    }),
    metrics: () =>
      storeMetrics({
        replication: replicator.status(),
        log: decisions.status(),
        tombstones: store.tombstoneCount(),
        refused: store.refused,
        isDiskFailing: store.diskFault !== undefined,
        storeBytes: databaseBytes(files.store),
        logBytes: databaseBytes(files.log),
        nodeOf: (peer) => decisions.members().find((member) => member.peer === peer)?.node ?? peer,
      }),
  }
}

/** How objects are laid out in documents, by the schema of the version in which they are stored. */
function documentLayout(catalogue: Catalogue, graph: SchemaGraph): FieldLayout {
  const layout = fieldLayout((ref) => {
    const definition = catalogue.preferred(ref)
    return definition && schemaOf(graph, catalogue.storage(definition))
  })
  return { ...layout, hasGeneration: (ref) => catalogue.preferred(ref)?.hasGeneration ?? true }
}

/** How long ago the last session of anti-entropy ended well, with whomever. */
function sinceSyncOf(replicator: Replicator, nowMs: number): number | null {
  const lastMs = Math.max(0, ...replicator.status().peers.map(({ lastSyncMs }) => lastSyncMs))
  return lastMs === 0 ? null : Math.max(0, nowMs - lastMs)
}
