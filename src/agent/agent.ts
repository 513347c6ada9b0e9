import { loopbackUser } from '../auth/user.ts'
import { metricsDefinitions } from '../kubelet/metrics/metrics-kinds.ts'
import { metricsReaders } from '../kubelet/metrics/metrics-reader.ts'
import { must } from '../lib/assert.ts'
import type { Service } from '../lib/service.ts'
import { systemClock, systemRandom } from '../lib/system.ts'
import { createMesh } from '../mesh/libp2p-mesh.ts'
import { openAuthority } from '../pki/certificate-authority.ts'
import { loadIdentity } from '../pki/identity-directory.ts'
import { inProcessClient } from '../registry/in-process-client.ts'
import type { AgentParts } from './agent-parts.ts'
import { createApiServices } from './api-service.ts'
import { createApi } from './api.ts'
import { conflictReporter } from './conflict-events.ts'
import { watchDeparture } from './departure.ts'
import { createEventRecorder } from './event-recorder.ts'
import { leadWhenElected } from './leadership.ts'
import { createLogger } from './log.ts'
import { loadMembership } from './membership-file.ts'
import { ownMemoryReducer } from './memory-reducer.ts'
import { createNodeServices } from './node-services.ts'
import { watchPeers } from './peers.ts'
import { precedePods } from './priority.ts'
import { openReplica } from './replica.ts'
import { paths, type SettingName, type Settings } from './settings.ts'
import { endOnUncaught } from './uncaught.ts'
import { unreachedNodes } from './unreached-nodes.ts'

const objectMetaSchema = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'

type ReadSettings = (written: Partial<Record<SettingName, string>>) => Settings

/**
 * Runs the agent of this machine until the signal is aborted; `onReady` is called once it serves. Throws when the machine
 * is no member, when it cannot start, and once it has stopped over a fault that nobody caught.
 */
export async function runAgent(
  readSettings: ReadSettings,
  stop: AbortSignal,
  onReady: () => Promise<void>,
): Promise<void> {
  const { dataDir } = readSettings({})
  const identity = await loadIdentity(paths(dataDir).identity)
  const membership = await loadMembership(paths(dataDir).member)
  if (!identity || !membership)
    throw new Error("this machine is no member of a cluster yet: run 'stormo init' or 'stormo join <token>' first")
  const settings = readSettings(membership.settings)
  const logger = createLogger(settings.logLevel, settings.nodeName)
  const uncaught = endOnUncaught(process, systemClock, logger)
  await precedePods(logger)
  const departure = watchDeparture(paths(dataDir).identity, systemClock, logger)
  const signal = AbortSignal.any([stop, departure.signal, uncaught.signal])
  const services = await composeAgent({
    settings,
    identity,
    membership,
    clock: systemClock,
    random: systemRandom,
    logger,
  })
  const started: Service[] = []
  try {
    for (const service of services) {
      started.push(service)
      await service.start()
      if (signal.aborted) break
    }
    logger.info({ api: `https://${settings.advertiseAddress}:${settings.apiPort}` }, 'agent is up')
    await onReady()
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
    logger.info({}, 'agent is stopping')
  } finally {
    departure.stop()
    for (const service of started.toReversed())
      await service.stop().catch((error: unknown) => logger.error({ error: String(error) }, 'a service did not stop'))
    uncaught.stop()
  }
  uncaught.signal.throwIfAborted()
}

/** The composition root: builds the real things, and returns them in the order in which they start. */
async function composeAgent(parts: AgentParts): Promise<Service[]> {
  const { settings, identity, membership, clock, random, logger } = parts
  const { cluster: secrets, node: self } = identity

  const mesh = createMesh({
    identity: Buffer.from(self.privateKey, 'base64'),
    psk: secrets.swarmKey,
    nodeName: self.nodeName,
    listen: [`/ip4/0.0.0.0/tcp/${settings.meshPort}`],
    clock,
    random,
    logger,
  })
  const replica = await openReplica(parts, mesh)
  const { catalogue, store, informers, replicator, decisions } = replica
  const peers = watchPeers({
    mesh,
    decisions,
    replicator,
    self: { node: self.nodeName, peer: self.peerId },
    known: membership.members,
  })

  const unreached = unreachedNodes({ decisions, isAlive: peers.isAlive, self: self.nodeName, clock })
  catalogue.set('built-in', unreached.shownIn(catalogue.all()))
  const api = createApi({
    catalogue,
    store,
    informers,
    decisions,
    secrets,
    config: membership.config,
    nodeName: self.nodeName,
    clock,
    random,
    logger,
  })
  const client = inProcessClient(api.registry, loopbackUser, { fieldManager: 'stormo' })
  const events = (component: string) =>
    createEventRecorder({ client, clock, random, logger, component, host: self.nodeName })
  const nameOf = (number: number) => decisions.members().find((member) => member.number === number)?.node
  replica.reportConflictsTo(conflictReporter(events('store'), catalogue, nameOf))

  const node = await createNodeServices({ ...parts, mesh, decisions, informers, client, events })
  const objectMeta = must(replica.graph.get(objectMetaSchema), 'ObjectMeta is built in')
  catalogue.set('metrics.k8s.io', metricsDefinitions(objectMeta))
  const readers = metricsReaders({ informers, access: node.access, clock, logger })
  for (const [name, reader] of Object.entries(readers)) api.virtualReaders.set(name, reader)

  const authority = await openAuthority(secrets.ca, random)
  const apiServices = await createApiServices({ ...parts, mesh, replica, api, client, node, authority, unreached })
  const podMetrics = must(readers['pods.metrics.k8s.io'], 'pods have metrics')
  leadWhenElected({ ...parts, replica, peers, api, client, events, authority, podMetrics })

  const reducer = ownMemoryReducer(clock)
  return [
    ...replica.storage,
    api.customResources,
    mesh,
    replicator,
    decisions,
    ...apiServices,
    ...node.services,
    reducer,
  ]
}
