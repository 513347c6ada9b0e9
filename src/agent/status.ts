import type { Node } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import type { Mesh, PeerId } from '../mesh/mesh.ts'

/** The cluster as one node sees it: what `stormo status -o json` prints. */
export interface ClusterStatus {
  /** Node name, null when none is known. */
  leader: string | null
  term: number
  nodes: NodeStatus[]
}

export interface NodeStatus {
  name: string
  ready: boolean
  voter: boolean
  /** The term that the node itself has; the last known one when it does not answer. */
  term: number
  /** How old what this node has of that node's writes may be, in ms; null when it does not answer. */
  lagMs: number | null
}

const protocol = 'status'
const askTimeoutMs = 800

export interface StatusOptions {
  mesh: Mesh
  decisions: DecisionLog
  informers: Informers
  self: string
  /** From replication. */
  lagMs(peer: PeerId): number | null
}

/** Answers peers' questions for our term, and asks them for theirs. */
export function createStatusReporter({
  mesh,
  decisions,
  informers,
  self,
  lagMs,
}: StatusOptions): () => Promise<ClusterStatus> {
  const lastTerm = new Map<PeerId, number>()
  mesh.onRequest(protocol, () => Promise.resolve(Buffer.from(JSON.stringify({ term: decisions.status().term }))))

  const termOf = async (peer: PeerId): Promise<number | undefined> => {
    try {
      const answer = await mesh.request(peer, protocol, new Uint8Array(), { timeoutMs: askTimeoutMs })
      const { term } = JSON.parse(Buffer.from(answer).toString('utf8')) as { term: number }
      lastTerm.set(peer, term)
      return term
    } catch {
      return undefined
    }
  }

  return async () => {
    const log = decisions.status()
    const nodes = await Promise.all(
      decisions.members().map(async (member): Promise<NodeStatus> => {
        const isSelf = member.node === self
        const term = isSelf ? log.term : await termOf(member.peer)
        const node = informers.for<Node>(refs.nodes).get('', member.node)
        const isReady =
          node?.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ??
          false
        return {
          name: member.node,
          ready: isReady && (isSelf || term !== undefined),
          voter: log.voters.includes(member.node),
          term: term ?? lastTerm.get(member.peer) ?? 0,
          lagMs: isSelf ? 0 : term === undefined ? null : lagMs(member.peer),
        }
      }),
    )
    return {
      leader: log.leader,
      term: log.term,
      nodes: nodes.toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true })),
    }
  }
}
