import type { Service as ServiceObject } from '../api/kinds.ts'
import { issuerRoutes } from '../apiserver/issuer-routes.ts'
import type { GroupResource } from '../api/object.ts'
import { aggregatedOpenApi } from '../apiserver/aggregation/aggregated-openapi.ts'
import { createAggregator } from '../apiserver/aggregation/aggregator.ts'
import { createApiServer } from '../apiserver/api-server.ts'
import { schemaCodecs } from '../apiserver/schema-codecs.ts'
import { loopbackUser } from '../auth/user.ts'
import { refs } from '../client/client.ts'
import type { Member } from '../decision/cluster-state.ts'
import { createDecisionLog } from '../decision/create-decision-log.ts'
import { openLmdbLogStorage } from '../decision/lmdb-log-storage.ts'
import { metricsDefinitions } from '../kubelet/metrics/metrics-kinds.ts'
import { metricsReaders } from '../kubelet/metrics/metrics-reader.ts'
import { must } from '../lib/assert.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'
import { exec } from '../lib/exec.ts'
import { defaultBridge } from '../network/remove.ts'
import { systemClock, systemRandom } from '../lib/system.ts'
import { createMesh } from '../mesh/libp2p-mesh.ts'
import { openServiceAccountKey } from '../pki/service-account-keys.ts'
import { openAuthority } from '../pki/certificate-authority.ts'
import { issueFrontProxyCertificate, issueServerCertificate } from '../pki/certificates.ts'
import { type Identity } from '../pki/identity-files.ts'
import { loadIdentity } from '../pki/identity-directory.ts'
import { createCustomResourceCleanup } from '../registry/custom/cleanup.ts'
import { inProcessClient } from '../registry/in-process-client.ts'
import type { ServiceAddresses } from '../registry/ports.ts'
import { holdings } from '../registry/service-allocation.ts'
import { storeInformers } from '../registry/store-informers.ts'
import { Replicator } from '../replication/replicator.ts'
import { fieldLayout } from '../schema/field-layout.ts'
import { builtinResources } from '../kinds/builtin.ts'
import { createCatalogue } from '../registry/catalogue.ts'
import { loadBuiltinSchemas } from '../schema/graph.ts'
import { lmdbDisk } from '../store/lmdb-disk.ts'
import type { Conflict } from '../store/conflict.ts'
import { openStore } from '../store/object-store.ts'
import { createApi, secondFamily } from './api.ts'
import { makeBackup } from './backup/make-backup.ts'
import { openAuditLog } from './audit-log.ts'
import { conflictReporter } from './conflict-events.ts'
import { watchDeparture } from './departure.ts'
import { createDoctor } from './doctor/doctor.ts'
import { createEventRecorder } from './event-recorder.ts'
import { lead } from './leader-duties.ts'
import { createLogger } from './log.ts'
import { loadMembership, type Membership } from './membership-file.ts'
import { createNodeServices } from './node-services.ts'
import { catalogueOpenApi, documentHash } from '../apiserver/schema-openapi.ts'
import { precedePods } from './priority.ts'
import { agentRoutes } from './routes.ts'
import { paths, type SettingName, type Settings } from './settings.ts'
import { databaseBytes, storeMetrics } from './store-metrics.ts'
import { createStatusReporter } from './status.ts'
import { pollUsage } from './usage-cache.ts'

const objectMetaSchema = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'

type ReadSettings = (written: Partial<Record<SettingName, string>>) => Settings

/** Runs the agent of this machine until the signal is aborted. Throws when the machine is no member, or cannot start. */
export async function runAgent(readSettings: ReadSettings, stop: AbortSignal): Promise<void> {
  const { dataDir } = readSettings({})
  const identity = await loadIdentity(paths(dataDir).identity)
  const membership = await loadMembership(paths(dataDir).member)
  if (!identity || !membership)
    throw new Error("this machine is no member of a cluster yet: run 'stormo init' or 'stormo join <token>' first")
  const settings = readSettings(membership.settings)
  const logger = createLogger(settings.logLevel, settings.nodeName)
  await precedePods(logger)
  const departure = watchDeparture(paths(dataDir).identity, systemClock, logger)
  const signal = AbortSignal.any([stop, departure.signal])
  const services = await composeAgent({ settings, identity, membership, logger })
  const started: Service[] = []
  try {
    for (const service of services) {
      started.push(service)
      await service.start()
      if (signal.aborted) break
    }
    logger.info({ api: `https://${settings.advertiseAddress}:${settings.apiPort}` }, 'agent is up')
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
    logger.info({}, 'agent is stopping')
  } finally {
    departure.stop()
    for (const service of started.toReversed())
      await service.stop().catch((error: unknown) => logger.error({ error: String(error) }, 'a service did not stop'))
  }
}

interface AgentParts {
  settings: Settings
  identity: Identity
  membership: Membership
  logger: Logger
}

/** The composition root: builds the real things, and returns them in the order in which they start. */
async function composeAgent({ settings, identity, membership, logger }: AgentParts): Promise<Service[]> {
  const clock = systemClock
  const random = systemRandom
  const files = paths(settings.dataDir)
  const { cluster: secrets, node: nodeIdentity } = identity
  const { config } = membership
  const self = { node: nodeIdentity.nodeName, peer: nodeIdentity.peerId }
  const families = config.ipv6 && secondFamily(config.serviceCidr, config.ipv6.serviceCidr)

  const mesh = createMesh({
    identity: Buffer.from(nodeIdentity.privateKey, 'base64'),
    psk: secrets.swarmKey,
    nodeName: self.node,
    listen: [`/ip4/0.0.0.0/tcp/${settings.meshPort}`],
    clock,
    random,
    logger,
  })
  const graph = loadBuiltinSchemas()
  const disk = lmdbDisk({ path: files.store, encryptionKey: Buffer.from(secrets.encryptionKeys[0]!.key, 'base64') })
  // The store asks about kinds as soon as it loads what is on disk; custom resources come into the catalogue later.
  const catalogue = createCatalogue(builtinResources(graph))
  const schemaOf: Parameters<typeof fieldLayout>[0] = (ref) => {
    const definition = catalogue.preferred(ref)
    const stored = definition && catalogue.storage(definition)
    return stored && ((stored as { schema?: ReturnType<typeof graph.get> }).schema ?? graph.get(stored.schemaName))
  }
  const hasGeneration = (ref: GroupResource): boolean => catalogue.preferred(ref)?.hasGeneration ?? true
  let reportConflict: (conflict: Conflict) => void = () => undefined
  const store = await openStore({
    disk,
    clock,
    random,
    logger,
    nodeNumber: membership.self.number,
    layout: { ...fieldLayout(schemaOf), hasGeneration },
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
  const decisions = createDecisionLog({
    mesh,
    storage: openLmdbLogStorage(files.log),
    sink: store,
    clock,
    random,
    logger,
    self,
    inUse: () => heldAddresses(informers.for<ServiceObject>(refs.services).list(), families),
    bootstrapPeers: () => membership.members.map((member) => member.peer).filter((peer) => peer !== self.peer),
  })
  store.setDecisions(decisions)

  const membershipHandlers = new Set<() => void>()
  const membershipChanged = (): void => membershipHandlers.forEach((handler) => handler())
  const meet = (members: readonly Member[]): void => {
    mesh.setMembers(
      members
        .filter((member) => member.peer !== self.peer)
        .map(({ peer, node, addresses }) => ({ peer, node, addresses })),
    )
    replicator.setMembers(members.map((member) => member.peer))
    membershipChanged()
  }
  meet(membership.members)
  // A joiner's log is empty until it has fetched one: then those whom it joined through are all it knows.
  decisions.onMembers((members) => meet(members.length > 0 ? members : membership.members))
  const met = new Set<string>()
  mesh.onPeer((peer, up) => {
    if (up) met.add(peer)
  })
  const livenessHandlers = new Set<(nodeName: string) => void>()
  mesh.onLiveness((peer) => {
    membershipChanged()
    const member = decisions.members().find((one) => one.peer === peer)
    if (member) for (const handler of livenessHandlers) handler(member.node)
  })

  const api = createApi({
    catalogue,
    store,
    informers,
    decisions,
    secrets,
    config,
    nodeName: self.node,
    clock,
    random,
    logger,
  })
  const client = inProcessClient(api.registry, loopbackUser, { fieldManager: 'stormo' })
  const events = (component: string) =>
    createEventRecorder({ client, clock, random, logger, component, host: self.node })
  reportConflict = conflictReporter(
    events('store'),
    api.catalogue,
    (number) => decisions.members().find((member) => member.number === number)?.node,
  )
  const isAlive = (node: string): boolean | undefined => {
    if (node === self.node) return true
    const member = decisions.members().find((one) => one.node === node)
    return member && mesh.liveness(member.peer).alive
  }
  const node = await createNodeServices({
    settings,
    membership,
    mesh,
    decisions,
    informers,
    client,
    events,
    clock,
    random,
    logger,
  })

  api.catalogue.set('metrics.k8s.io', metricsDefinitions(must(graph.get(objectMetaSchema), 'ObjectMeta is built in')))
  const readers = metricsReaders({ informers, access: node.access, clock, logger })
  for (const [name, reader] of Object.entries(readers)) api.virtualReaders.set(name, reader)
  const podMetrics = must(readers['pods.metrics.k8s.io'], 'pods have metrics')

  const authority = await openAuthority(secrets.ca, random)
  const certificate = await issueServerCertificate(
    authority,
    {
      nodeName: self.node,
      addresses: [settings.advertiseAddress],
      clusterDomain: config.clusterDomain,
      serviceIp: config.kubernetesIp,
    },
    clock.nowMs(),
  )
  const status = createStatusReporter({
    mesh,
    decisions,
    informers,
    self: self.node,
    lagMs: (peer) => lagOf(replicator, peer),
    replica: () => ({
      documents: store.documentCount(),
      appliedIndex: decisions.status().appliedIndex,
      sinceSyncMs: sinceSyncOf(replicator, clock.nowMs()),
      diskBytes: (databaseBytes(files.store) ?? 0) + (databaseBytes(files.log) ?? 0),
    }),
  })
  const examine = createDoctor({
    mesh,
    node: self.node,
    nodeIp: settings.advertiseAddress,
    config,
    dockerSocket: settings.dockerSocket,
    bridge: defaultBridge,
    members: () => decisions.members(),
    exec,
    clock,
  })
  const metricsOfStore = (): string =>
    storeMetrics({
      replication: replicator.status(),
      log: decisions.status(),
      tombstones: store.tombstoneCount(),
      refused: store.refused,
      storeBytes: databaseBytes(files.store),
      logBytes: databaseBytes(files.log),
      nodeOf: (peer) => decisions.members().find((member) => member.peer === peer)?.node ?? peer,
    })
  const auditLog = await openAuditLog(settings, clock, logger)
  const aggregator = createAggregator({
    informers,
    client,
    writesStatus: () => decisions.status().isLeader,
    identity: await issueFrontProxyCertificate(await openAuthority(secrets.frontProxyCa, random), clock.nowMs()),
    clock,
    random,
    log: logger,
  })
  const apiServer = createApiServer({
    registry: api.registry,
    codecs: schemaCodecs(graph),
    authenticate: api.authenticate,
    authorize: api.authorization.authorize,
    openapi: aggregatedOpenApi(catalogueOpenApi(api.catalogue, graph), aggregator, documentHash),
    aggregator,
    nodeAccess: node.access,
    informers,
    countOf: (ref) => store.count(ref),
    ...(auditLog ? { audit: auditLog.audit } : {}),
    extraMetrics: () => (auditLog?.metrics() ?? '') + metricsOfStore(),
    extensions: [
      ...issuerRoutes({ issuer: api.tokens.issuer, keys: secrets.serviceAccountKeys.map(openServiceAccountKey) }),
      ...agentRoutes({
        decisions,
        secrets,
        config,
        authorize: api.authorization.authorize,
        status,
        examine,
        backup: () => makeBackup({ replica: store, decisions, secrets, config, clock }),
        loadImages: node.loadImages,
        clock,
        random,
      }),
    ],
    // The CA goes along in the chain: a joiner knows it only by its fingerprint.
    tls: { key: certificate.keyPem, cert: certificate.certPem + secrets.ca.certPem, ca: secrets.ca.certPem },
    host: '0.0.0.0',
    port: settings.apiPort,
    clock,
    random,
    log: logger,
  })

  decisions.onLeadership((term, lost) => {
    const context = {
      client,
      informers,
      events,
      clock,
      random,
      logger,
      config,
      caPem: secrets.ca.certPem,
      frontProxyCaPem: secrets.frontProxyCa.certPem,
      catalogue: api.catalogue,
      authority,
      authorize: api.authorization.authorize,
      issueSecretToken: api.issueSecretToken,
      resources: () => collectedResources(api.catalogue.all()),
      onResources: (handler: () => void) => api.catalogue.onChange(handler),
      isAlive,
      hasMet: (nodeName: string) => met.has(decisions.members().find((member) => member.node === nodeName)?.peer ?? ''),
      leaseAgeMs: (nodeName: string) => decisions.leaseAgeMs(nodeName),
      onLiveness(handler: (nodeName: string) => void) {
        livenessHandlers.add(handler)
        return () => livenessHandlers.delete(handler)
      },
      usage: (until: AbortSignal) => pollUsage({ informers, metrics: podMetrics, clock, logger }, until),
      members: () => decisions.members(),
      onMembership(handler: () => void) {
        membershipHandlers.add(handler)
        return () => membershipHandlers.delete(handler)
      },
    }
    const cleanup = createCustomResourceCleanup({ store, client, clock, log: logger })
    void cleanup.start()
    lost.addEventListener('abort', () => void cleanup.stop(), { once: true })
    lead(context, term, lost).catch((error: unknown) => {
      if (!lost.aborted)
        logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'the duties of the leader failed')
    })
  })

  const diskService: Service = { start: async () => undefined, stop: () => disk.close() }
  return [
    diskService,
    store,
    api.customResources,
    mesh,
    replicator,
    decisions,
    ...(auditLog ? [auditLog.service] : []),
    aggregator,
    apiServer,
    ...node.services,
  ]
}

/** Age of a peer's writes as they last arrived; one that was compared with and has written nothing since lags by nothing. */
function lagOf(replicator: Replicator, peer: string): number | null {
  const known = replicator.status().peers.find((one) => one.peer === peer)
  return known?.lagMs ?? (known?.lastSyncMs === undefined ? null : 0)
}

/** How long ago the last session of anti-entropy ended well, with whomever. */
function sinceSyncOf(replicator: Replicator, nowMs: number): number | null {
  const lastMs = Math.max(0, ...replicator.status().peers.map(({ lastSyncMs }) => lastSyncMs))
  return lastMs === 0 ? null : Math.max(0, nowMs - lastMs)
}

/** ClusterIPs and NodePorts that Services hold, as text. */
function* heldAddresses(
  services: readonly ServiceObject[],
  families: ServiceAddresses['secondFamily'],
): Iterable<string> {
  for (const service of services) {
    const { clusterIps, nodePorts } = holdings(service, families)
    yield* clusterIps
    yield* nodePorts.map(String)
  }
}

/** One entry a stored resource, whatever versions it is served in. */
function collectedResources(
  definitions: readonly {
    group: string
    resource: string
    kind: string
    namespaced: boolean
    verbs: readonly string[]
    storedAs?: object
  }[],
) {
  const found = new Map<string, { ref: { group: string; resource: string }; kind: string; namespaced: boolean }>()
  for (const { group, resource, kind, namespaced, verbs, storedAs } of definitions) {
    if (storedAs || !verbs.includes('watch') || !verbs.includes('delete')) continue
    found.set(`${group}/${resource}`, { ref: { group, resource }, kind, namespaced })
  }
  return [...found.values()]
}
