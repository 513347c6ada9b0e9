import type { Endpoint, EndpointSlice, Service, ServicePort } from '../../api/kinds.ts'
import { addressesOf, type Family } from '../family.ts'

/** What choosing endpoints needs to know of the node that chooses. */
export interface NodeTopology {
  readonly nodeName: string
  /** Label topology.kubernetes.io/zone; '' when unknown. */
  readonly zone: string
  /** Of the endpoints to choose from. */
  readonly family: Family
}

/** Where a connection may go. */
export interface Backend {
  readonly address: string
  readonly port: number
  readonly local: boolean
}

/** The endpoints of one service port as this node uses them. */
export interface Backends {
  /** For traffic that may go anywhere in the cluster. */
  readonly cluster: readonly Backend[]
  /** For traffic that a policy keeps on this node. */
  readonly local: readonly Backend[]
}

interface Candidate extends Backend {
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly endpoint: Endpoint
}

/**
 * Chooses endpoints as kube-proxy does (pkg/proxy/topology.go): ready ones, restricted by topology hints where all of
 * them carry hints; when none is ready, those that are terminating but still serving (KEP-1669).
 */
export function chooseBackends(
  service: Service,
  port: ServicePort,
  slices: readonly EndpointSlice[],
  node: NodeTopology,
): Backends {
  const candidates = candidatesOf(port, slices, node)
  const ready = candidates.filter((one) => one.ready)
  const fallback = candidates.filter((one) => one.serving && one.terminating)
  const spec = service.spec ?? {}
  const usesLocal = spec.internalTrafficPolicy === 'Local' || spec.externalTrafficPolicy === 'Local'

  const cluster = ready.length > 0 ? withHints(ready, node) : fallback
  const localReady = ready.filter((one) => one.local)
  const local = localReady.length > 0 ? localReady : fallback.filter((one) => one.local)
  return { cluster: cluster.map(toBackend), local: usesLocal ? local.map(toBackend) : [] }
}

const toBackend = ({ address, port, local }: Candidate): Backend => ({ address, port, local })

function candidatesOf(port: ServicePort, slices: readonly EndpointSlice[], node: NodeTopology): Candidate[] {
  const byAddress = new Map<string, Candidate>()
  for (const slice of slices) {
    if (slice.addressType !== node.family.apiName) continue
    const match = slice.ports?.find(
      (one) => (one.name ?? '') === (port.name ?? '') && (one.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    )
    if (match?.port === undefined) continue
    for (const endpoint of slice.endpoints ?? []) {
      const [address] = addressesOf(endpoint.addresses.slice(0, 1), node.family)
      if (address === undefined) continue
      const { ready, serving, terminating } = endpoint.conditions ?? {}
      const candidate: Candidate = {
        address,
        port: match.port,
        local: endpoint.nodeName === node.nodeName,
        ready: ready ?? true,
        serving: serving ?? ready ?? true,
        terminating: terminating ?? false,
        endpoint,
      }
      // One pod can be in two slices while it moves between them; the usable entry counts.
      const known = byAddress.get(`${address}:${match.port}`)
      if (!known || (!known.ready && candidate.ready)) byAddress.set(`${address}:${match.port}`, candidate)
    }
  }
  // A stable order, so that an unrelated change does not renumber every endpoint.
  return [...byAddress.values()].toSorted((a, b) => compare(a.address, b.address) || a.port - b.port)
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function withHints(ready: readonly Candidate[], node: NodeTopology): readonly Candidate[] {
  const byNode = hinted(ready, (one) => one.endpoint.hints?.forNodes?.map((hint) => hint.name), node.nodeName)
  if (byNode) return byNode
  if (node.zone === '') return ready
  return hinted(ready, (one) => one.endpoint.hints?.forZones?.map((hint) => hint.name), node.zone) ?? ready
}

/** Those whose hint names `wanted`; undefined when an endpoint lacks the hint or none names it. */
function hinted(
  ready: readonly Candidate[],
  hintsOf: (one: Candidate) => readonly string[] | undefined,
  wanted: string,
): readonly Candidate[] | undefined {
  if (ready.some((one) => !hintsOf(one)?.length)) return undefined
  const matching = ready.filter((one) => hintsOf(one)?.includes(wanted))
  return matching.length > 0 ? matching : undefined
}
