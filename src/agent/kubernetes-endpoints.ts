import type { Endpoints, EndpointSlice } from '../api/kinds.ts'
import { managedByLabel, serviceNameLabel } from '../api/endpoint-slice.ts'
import { isStatus } from '../api/status-error.ts'
import { type Client, refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import { sameJson } from '../lib/same-json.ts'
import type { Member } from '../decision/cluster-state.ts'
import type { Clock } from '../lib/clock.ts'
import { keepInStep } from '../lib/keep-in-step.ts'
import type { Logger } from '../lib/log.ts'

const retryMs = 500
const identity = { name: 'kubernetes', namespace: 'default' }

/** Where a member's API server listens, and whether it is alive. */
interface ApiServer {
  readonly node: string
  readonly address: string
  readonly port: number
  readonly ready: boolean
}

/**
 * Keeps default/kubernetes pointing at the API servers of the members that are alive, in both forms that clients know,
 * until the signal comes.
 */
export function keepKubernetesEndpoints(
  context: {
    client: Client
    informers: Informers
    clock: Clock
    logger: Logger
    members(): readonly Member[]
    isAlive(nodeName: string): boolean | undefined
    onMembership(handler: () => void): () => void
  },
  signal: AbortSignal,
): Promise<void> {
  const { client, informers, clock, logger } = context

  async function write(): Promise<void> {
    const servers = context.members().map((member) => apiServerOf(member, context.isAlive(member.node) !== false))
    const slice = kubernetesEndpointSlice(servers)
    const storedSlice = informers.for<EndpointSlice>(refs.endpointSlices).get(identity.namespace, identity.name)
    if (!storedSlice) await client.create(refs.endpointSlices, slice)
    else if (!sameJson(storedSlice.endpoints, slice.endpoints)) {
      await client.mutate<EndpointSlice>(refs.endpointSlices, identity.namespace, identity.name, (current) => ({
        ...current,
        endpoints: slice.endpoints,
        ports: slice.ports,
      }))
    }
    const endpoints = kubernetesEndpoints(servers)
    const stored = informers.for<Endpoints>(refs.endpoints).get(identity.namespace, identity.name)
    if (!stored) await client.create(refs.endpoints, endpoints)
    else if (!sameJson(stored.subsets, endpoints.subsets)) {
      await client.mutate<Endpoints>(refs.endpoints, identity.namespace, identity.name, (current) => ({
        ...current,
        subsets: endpoints.subsets,
      }))
    }
  }

  return keepInStep(
    {
      clock,
      retryMs,
      sync: write,
      onChange: context.onMembership,
      onError(error) {
        // Another member was first: it is looked at again.
        if (!isStatus(error, 'AlreadyExists'))
          logger.warn({ error: String(error) }, 'endpoints of default/kubernetes not written')
      },
    },
    signal,
  )
}

function apiServerOf(member: Member, ready: boolean): ApiServer {
  const { hostname, port } = new URL(member.apiUrl)
  return { node: member.node, address: hostname, port: Number(port || 443), ready }
}

const inOrder = (apiServers: readonly ApiServer[]): ApiServer[] =>
  apiServers.toSorted((a, b) => (a.address < b.address ? -1 : 1))
const portOf = (apiServers: readonly ApiServer[]) => ({
  name: 'https',
  port: apiServers[0]?.port ?? 6443,
  protocol: 'TCP',
})

function kubernetesEndpointSlice(apiServers: readonly ApiServer[]): EndpointSlice {
  const labels = { [serviceNameLabel]: identity.name, [managedByLabel]: 'stormo' }
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...identity, labels },
    addressType: 'IPv4',
    endpoints: inOrder(apiServers).map(({ node, address, ready }) => ({
      addresses: [address],
      conditions: { ready, serving: ready, terminating: false },
      nodeName: node,
    })),
    ports: [portOf(apiServers)],
  }
}

/** For clients that know no slices. Mirroring it would make a second slice. */
function kubernetesEndpoints(apiServers: readonly ApiServer[]): Endpoints {
  const addresses = (ready: boolean) =>
    inOrder(apiServers.filter((one) => one.ready === ready)).map(({ address }) => ({ ip: address }))
  const [up, down] = [addresses(true), addresses(false)]
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...identity, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [
      {
        ...(up.length > 0 ? { addresses: up } : {}),
        ...(down.length > 0 ? { notReadyAddresses: down } : {}),
        ports: [portOf(apiServers)],
      },
    ],
  }
}
