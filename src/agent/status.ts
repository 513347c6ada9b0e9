import type { Node } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import type { Mesh, PeerId } from '../mesh/mesh.ts'
import { wireRefusals } from '../mesh/wire-range.ts'

/** The cluster as one node sees it: what `stormo status -o json` prints. */
export interface ClusterStatus {
  /** Node name, null when none is known. */
  leader: string | null
  term: number
  nodes: NodeStatus[]
  /** Members between which nothing is replicated, as they speak no version of the wire format in common, and what to do. */
  refusals: string[]
}

export interface NodeStatus {
  name: string
  ready: boolean
  voter: boolean
  /** The term that the node itself has; the last known one when it does not answer. */
  term: number
  /** How old what this node has of that node's writes may be, in ms; null when it does not answer. */
  lagMs: number | null
  /** What the node says of its replica; null when it does not answer. */
  replica: ReplicaReport | null
}

/** A node's account of its own replica. */
export interface ReplicaReport {
  /** Objects that it holds, those included that lost their name. */
  documents: number
  /** Entries of the decision log that it has applied. */
  appliedIndex: number
  /** How long ago it last compared its replica with a peer's, to the end, in ms; null: never. */
  sinceSyncMs: number | null
  /** Store and decision log. */
  diskBytes: number
  /** Why its disk did not take the last write, null when it did: until it takes one, the node refuses all. */
  diskFault: string | null
}

/** What nodes tell each other. */
interface Answer {
  term: number
  /** Absent from a node of an older version. */
  replica?: ReplicaReport
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
  /** This node's own. */
  replica(): ReplicaReport
}

/** Answers peers' questions for our term, and asks them for theirs. */
export function createStatusReporter({
  mesh,
  decisions,
  informers,
  self,
  lagMs,
  replica,
}: StatusOptions): () => Promise<ClusterStatus> {
  const lastTerm = new Map<PeerId, number>()
  const own = (): Answer => ({ term: decisions.status().term, replica: replica() })
  mesh.onRequest(protocol, () => Promise.resolve(Buffer.from(JSON.stringify(own()))))

  const answerOf = async (peer: PeerId): Promise<Answer | undefined> => {
    try {
      const bytes = await mesh.request(peer, protocol, new Uint8Array(), { timeoutMs: askTimeoutMs })
      const answer = JSON.parse(Buffer.from(bytes).toString('utf8')) as Answer
      lastTerm.set(peer, answer.term)
      return answer
    } catch {
      return undefined
    }
  }

  return async () => {
    const log = decisions.status()
    const members = decisions.members()
    const nodes = await Promise.all(
      members.map(async (member): Promise<NodeStatus> => {
        const isSelf = member.node === self
        const answer = isSelf ? own() : await answerOf(member.peer)
        const node = informers.for<Node>(refs.nodes).get('', member.node)
        const isReady =
          node?.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ??
          false
        return {
          name: member.node,
          ready: isReady && answer !== undefined,
          voter: log.voters.includes(member.node),
          term: answer?.term ?? lastTerm.get(member.peer) ?? 0,
          lagMs: isSelf ? 0 : answer === undefined ? null : lagMs(member.peer),
          replica: answer?.replica ?? null,
        }
      }),
    )
    return {
      leader: log.leader,
      term: log.term,
      nodes: nodes.toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true })),
      refusals: wireRefusals(members),
    }
  }
}
