import { createApi } from '../agent/api.ts'
import { createEventRecorder } from '../agent/event-recorder.ts'
import { lead } from '../agent/leader-duties.ts'
import { defaultClusterConfig } from '../agent/membership-file.ts'
import { loopbackUser } from '../auth/user.ts'
import type { Client } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import { perturbedInformers, type PerturbedInformers } from '../client/perturbed-informers.ts'
import { collectedResources } from '../controllers/resources.ts'
import type { Random } from '../lib/clock.ts'
import { silentLogger } from '../lib/log.ts'
import type { CertificateAuthority } from '../pki/certificate-authority.ts'
import type { ClusterSecrets } from '../pki/cluster-secrets.ts'
import type { Catalogue } from '../registry/catalogue.ts'
import type { Registry } from '../registry/registry.ts'
import { inProcessClient } from '../registry/in-process-client.ts'
import { storeInformers } from '../registry/store-informers.ts'
import type { Life, SimulatedNode } from './simulated-node.ts'
import type { PodLedger } from './pod-ledger.ts'
import { keepNode } from './simulated-kubelet.ts'

/** What runs on a node above its store: the API's pipeline, the leader's duties and a kubelet without containers. */
export interface ScenarioNode {
  readonly life: Life
  readonly client: Client
  readonly informers: Informers
  readonly catalogue: Catalogue
  readonly registry: Registry
  /** What scheduler and controllers see, which can be made to lag behind the truth. */
  readonly view: PerturbedInformers
  lead(term: number, lost: AbortSignal): void
}

export interface ScenarioNodeParts {
  node: SimulatedNode
  life: Life
  chance: Random
  secrets: ClusterSecrets
  authority: CertificateAuthority
  ledger: PodLedger
}

/** Called for each life of a node; what it starts ends with that life's clock. */
export function scenarioNode({ node, life, chance, secrets, authority, ledger }: ScenarioNodeParts): ScenarioNode {
  const { store, decisions, mesh, clock } = life
  const informers = storeInformers(store)
  const common = { clock, random: chance, logger: silentLogger }
  const config = defaultClusterConfig
  const api = createApi({ ...common, store, informers, decisions, secrets, config, nodeName: node.name })
  const client = inProcessClient(api.registry, loopbackUser, { fieldManager: 'stormo' })
  const peerOfNode = (name: string) => decisions.members().find((member) => member.node === name)?.peer
  const livenessHandlers = new Set<(nodeName: string) => void>()
  const membershipHandlers = new Set<() => void>()
  const membershipChanged = () => membershipHandlers.forEach((handler) => handler())
  decisions.onMembers(membershipChanged)
  mesh.onLiveness((peer) => {
    membershipChanged()
    const member = decisions.members().find((one) => one.peer === peer)
    if (member) for (const handler of livenessHandlers) handler(member.node)
  })
  void api.customResources.start()
  void keepNode({ clock, client, informers, decisions, ledger, self: node.name, number: node.number })
  const view = perturbedInformers(informers)
  const context: Parameters<typeof lead>[0] = {
    ...common,
    client,
    informers: view,
    config,
    authority,
    caPem: secrets.ca.certPem,
    frontProxyCaPem: secrets.frontProxyCa.certPem,
    events: (component) => createEventRecorder({ ...common, client, component, host: node.name }),
    resources: () => collectedResources(api.catalogue.all()),
    onResources: (handler) => api.catalogue.onChange(handler),
    isAlive(name) {
      const peer = peerOfNode(name)
      if (name === node.name) return true
      return peer === undefined ? undefined : mesh.liveness(peer).alive
    },
    leaseAgeMs: (name) => decisions.leaseAgeMs(name),
    onLiveness: subscribeTo(livenessHandlers),
    members: () => decisions.members(),
    onMembership: subscribeTo(membershipHandlers),
  }
  return {
    life,
    client,
    informers,
    catalogue: api.catalogue,
    registry: api.registry,
    view,
    lead: (term, lost) => void lead(context, term, lost).catch(() => undefined),
  }
}

const subscribeTo =
  <T>(handlers: Set<T>) =>
  (handler: T) => {
    handlers.add(handler)
    return () => handlers.delete(handler)
  }
