import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import type { Clock, Random } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'
import type { Mesh } from '../mesh/mesh.ts'
import type { ClusterSecrets } from '../pki/cluster-secrets.ts'
import type { NodeAccess } from '../streams/node-access.ts'
import type { Membership } from './membership-file.ts'
import type { Settings } from './settings.ts'

export interface NodeParts {
  settings: Settings
  membership: Membership
  mesh: Mesh
  decisions: DecisionLog
  informers: Informers
  client: Client
  events(component: string): EventRecorder
  clock: Clock
  random: Random
  logger: Logger
  secrets: ClusterSecrets
}

/** What makes the machine a node: runtime, network, kubelet, in the order in which they start. */
export interface NodeServices {
  services: Service[]
  access: NodeAccess | undefined
  loadImages(archive: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string[]>
}

export function createNodeServices(_parts: NodeParts): NodeServices {
  return { services: [], access: undefined, loadImages: () => Promise.resolve([]) }
}
