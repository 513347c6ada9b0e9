import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import { createCustomResourceCleanup } from '../registry/custom/cleanup.ts'
import type { VirtualReader } from '../registry/environment.ts'
import type { CertificateAuthority } from '../pki/certificate-authority.ts'
import { collectedResources } from '../controllers/resources.ts'
import type { AgentParts } from './agent-parts.ts'
import type { Api } from './api.ts'
import { lead, type LeaderContext } from './leader-duties.ts'
import type { Peers } from './peers.ts'
import type { LocalReplica } from './replica.ts'
import { measurePressure } from './measured-pressure.ts'
import { pollUsage } from './usage-cache.ts'

export interface LeadershipParts extends AgentParts {
  replica: LocalReplica
  peers: Peers
  api: Api
  client: Client
  events(component: string): EventRecorder
  authority: CertificateAuthority
  /** What pods use now. */
  podMetrics: VirtualReader
}

/** Takes up the leader's duties whenever this node is elected, and lays them down when the term is over. */
export function leadWhenElected(parts: LeadershipParts): void {
  const { identity, membership, clock, random, logger, replica, peers, api, client, events, authority } = parts
  const { decisions, informers, store } = replica
  const context: LeaderContext = {
    client,
    informers,
    events,
    clock,
    random,
    logger,
    config: membership.config,
    caPem: identity.cluster.ca.certPem,
    frontProxyCaPem: identity.cluster.frontProxyCa.certPem,
    catalogue: api.catalogue,
    authority,
    authorize: api.authorization.authorize,
    issueSecretToken: api.issueSecretToken,
    resources: () => collectedResources(api.catalogue.all()),
    onResources: (handler) => api.catalogue.onChange(handler),
    isAlive: peers.isAlive,
    hasMet: peers.hasMet,
    leaseAgeMs: (nodeName) => decisions.leaseAgeMs(nodeName),
    onLiveness: peers.onLiveness,
    usage: (until) => pollUsage({ informers, metrics: parts.podMetrics, clock, logger }, until),
    pressures: (until) => measurePressure({ informers, metrics: parts.podMetrics, clock, logger }, until),
    members: () => decisions.members(),
    onMembership: peers.onMembership,
  }
  decisions.onLeadership((term, lost) => {
    const cleanup = createCustomResourceCleanup({ store, client, clock, log: logger })
    void cleanup.start()
    lost.addEventListener('abort', () => void cleanup.stop(), { once: true })
    lead(context, term, lost).catch((error: unknown) => {
      if (!lost.aborted)
        logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'the duties of the leader failed')
    })
  })
}
