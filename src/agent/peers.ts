import type { Member } from '../decision/cluster-state.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import type { Libp2pMesh } from '../mesh/libp2p-mesh.ts'
import type { Replicator } from '../replication/replicator.ts'

/** The other machines of the cluster: who is a member, and who answers. */
export interface Peers {
  /** Undefined: no such member. */
  isAlive(nodeName: string): boolean | undefined
  /** This machine has been in touch with the node since it started. */
  hasMet(nodeName: string): boolean
  /** Calls back with the name of a node whose liveness changed; returns the way to stop. */
  onLiveness(handler: (nodeName: string) => void): () => void
  /** Calls back when a member's liveness or the membership changed; returns the way to stop. */
  onMembership(handler: () => void): () => void
}

/** Tells mesh and replication who is a member, as the log decides it, and keeps account of who answers. */
export function watchPeers(options: {
  mesh: Pick<Libp2pMesh, 'setMembers' | 'onPeer' | 'onLiveness' | 'liveness'>
  decisions: Pick<DecisionLog, 'members' | 'onMembers'>
  replicator: Pick<Replicator, 'setMembers'>
  self: { node: string; peer: string }
  /** Whom this machine joined through: all that it knows until it has fetched the log. */
  known: readonly Member[]
}): Peers {
  const { mesh, decisions, replicator, self, known } = options
  const membershipHandlers = new Set<() => void>()
  const livenessHandlers = new Set<(nodeName: string) => void>()
  const met = new Set<string>()
  const memberOf = (nodeName: string) => decisions.members().find((member) => member.node === nodeName)
  const membershipChanged = (): void => membershipHandlers.forEach((handler) => handler())

  const meet = (members: readonly Member[]): void => {
    const others = members.filter((member) => member.peer !== self.peer)
    mesh.setMembers(others.map(({ peer, node, addresses }) => ({ peer, node, addresses })))
    replicator.setMembers(members)
    membershipChanged()
  }
  meet(known)
  decisions.onMembers((members) => meet(members.length > 0 ? members : known))
  mesh.onPeer((peer, isUp) => {
    if (isUp) met.add(peer)
  })
  mesh.onLiveness((peer) => {
    membershipChanged()
    const member = decisions.members().find((one) => one.peer === peer)
    if (member) for (const handler of livenessHandlers) handler(member.node)
  })

  return {
    isAlive(nodeName) {
      if (nodeName === self.node) return true
      const member = memberOf(nodeName)
      return member && mesh.liveness(member.peer).alive
    },
    hasMet: (nodeName) => met.has(memberOf(nodeName)?.peer ?? ''),
    onLiveness: (handler) => subscribe(livenessHandlers, handler),
    onMembership: (handler) => subscribe(membershipHandlers, handler),
  }
}

function subscribe<T>(handlers: Set<T>, handler: T): () => void {
  handlers.add(handler)
  return () => handlers.delete(handler)
}
