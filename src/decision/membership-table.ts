import { StatusError } from '../api/status-error.ts'
import { formatIpv4, parseCidr } from './ipv4.ts'
import type { Command, JoinToken, Member } from './cluster-state.ts'

type CommandOf<Type> = Extract<Command, { type: Type }>

/** Node numbers are 16 bits and never reused: as many joins as one cluster can see in its life. */
const lastNumber = 65_535
const maxTokens = 1_000
/** Pod addresses of one member. */
const podCidrSize = 256

export interface MembershipRecord {
  nextNumber: number
  members: Member[]
  tokens: JoinToken[]
  incarnations: [string, number][]
  /** Absent where there are none. */
  keptPodCidrs?: [string, string][]
}

/** Members and join tokens. Refusals are StatusErrors and change nothing. */
export class MembershipTable {
  readonly #clusterCidr: string
  readonly #members = new Map<string, Member>()
  readonly #tokens = new Map<string, JoinToken>()
  /** Newest incarnation of each name that was ever used. */
  readonly #incarnations = new Map<string, number>()
  /**
   * Pod CIDRs that wait for members of a cluster that was restored, by their names: their Node objects are still there,
   * and a Node's CIDR never changes.
   */
  readonly #keptPodCidrs = new Map<string, string>()
  #nextNumber = 1

  constructor(clusterCidr: string) {
    this.#clusterCidr = clusterCidr
  }

  members(): Member[] {
    return [...this.#members.values()].toSorted((left, right) => left.number - right.number)
  }

  member(node: string): Member | undefined {
    return this.#members.get(node)
  }

  byPeer(peer: string): Member | undefined {
    return this.#members.values().find((member) => member.peer === peer)
  }

  tokens(): JoinToken[] {
    return [...this.#tokens.values()].toSorted((left, right) => (left.id < right.id ? -1 : 1))
  }

  isCurrent(node: string, incarnation: number): boolean {
    return this.#members.get(node)?.incarnation === incarnation
  }

  add({ member, token }: CommandOf<'member-add'>): Member {
    const before = this.#members.get(member.node)
    if (before && before.peer !== member.peer) {
      const remedy = `remove it first, or join under another name`
      throw new StatusError('AlreadyExists', `node "${member.node}" is a member with another identity: ${remedy}`)
    }
    const named = this.byPeer(member.peer)
    if (named && named.node !== member.node) {
      throw new StatusError('AlreadyExists', `this machine's identity is already a member as node "${named.node}"`)
    }
    if (this.#nextNumber > lastNumber) throw new StatusError('Forbidden', 'no node numbers are left in this cluster')
    const podCidr = before?.podCidr ?? this.#keptPodCidrs.get(member.node) ?? this.#freePodCidr()
    if (token) this.#spend(token)
    this.#keptPodCidrs.delete(member.node)
    const incarnation = (this.#incarnations.get(member.node) ?? 0) + 1
    this.#incarnations.set(member.node, incarnation)
    const role = before?.role ?? 'learner'
    const added: Member = { ...member, number: this.#nextNumber++, incarnation, podCidr, role }
    this.#members.set(member.node, added)
    return added
  }

  update({ node, addresses, apiUrl, zone, speaks }: CommandOf<'member-update'>): Member {
    const before = this.#require(node)
    const after: Member = {
      ...before,
      addresses: addresses ?? before.addresses,
      apiUrl: apiUrl ?? before.apiUrl,
      zone: zone ?? before.zone,
      ...(speaks ? { speaks } : {}),
    }
    this.#members.set(node, after)
    return after
  }

  remove(node: string): Member {
    const member = this.#require(node)
    if (this.#members.size === 1) throw new StatusError('Forbidden', 'the last member cannot be removed')
    this.#members.delete(node)
    return member
  }

  /** For a cluster that is made anew out of this one's state: numbers, incarnations and pod CIDRs stay used. */
  forgetAll(): void {
    for (const { node, podCidr } of this.#members.values()) this.#keptPodCidrs.set(node, podCidr)
    this.#members.clear()
    this.#tokens.clear()
  }

  setVoters(peers: readonly string[]): void {
    for (const [node, member] of this.#members) {
      const role = peers.includes(member.peer) ? 'voter' : 'learner'
      if (member.role !== role) this.#members.set(node, { ...member, role })
    }
  }

  createToken(token: JoinToken): JoinToken {
    if (this.#tokens.has(token.id)) throw new StatusError('AlreadyExists', `token "${token.id}" already exists`)
    if (this.#tokens.size >= maxTokens) {
      throw new StatusError('Forbidden', `there are ${maxTokens} tokens: delete some that are no longer needed`)
    }
    this.#tokens.set(token.id, token)
    return token
  }

  deleteToken(id: string): void {
    if (!this.#tokens.delete(id)) throw new StatusError('NotFound', `token "${id}" not found`)
  }

  encode(): MembershipRecord {
    return {
      nextNumber: this.#nextNumber,
      members: this.members(),
      tokens: this.tokens(),
      incarnations: [...this.#incarnations],
      ...(this.#keptPodCidrs.size > 0 ? { keptPodCidrs: [...this.#keptPodCidrs] } : {}),
    }
  }

  restore(record: MembershipRecord): void {
    this.#nextNumber = record.nextNumber
    for (const member of record.members) this.#members.set(member.node, member)
    for (const token of record.tokens) this.#tokens.set(token.id, token)
    for (const [node, incarnation] of record.incarnations) this.#incarnations.set(node, incarnation)
    for (const [node, podCidr] of record.keptPodCidrs ?? []) this.#keptPodCidrs.set(node, podCidr)
  }

  #require(node: string): Member {
    const member = this.#members.get(node)
    if (!member) throw new StatusError('NotFound', `node "${node}" is not a member`)
    return member
  }

  #spend({ id, secretHash, nowMs }: NonNullable<CommandOf<'member-add'>['token']>): void {
    const token = this.#tokens.get(id)
    const remedy = 'make a new one with "stormo token create"'
    // One answer for an unknown id and a wrong secret: ids must not be found out by trying.
    if (!token || token.secretHash !== secretHash) {
      throw new StatusError('Unauthorized', `join token is wrong, or was deleted: ${remedy}`)
    }
    if (nowMs >= token.expiresMs) throw new StatusError('Unauthorized', `join token "${id}" has expired: ${remedy}`)
    if (token.usesLeft === 0) throw new StatusError('Unauthorized', `join token "${id}" was already used: ${remedy}`)
    if (token.usesLeft !== null) this.#tokens.set(id, { ...token, usesLeft: token.usesLeft - 1 })
  }

  #freePodCidr(): string {
    const { first, size } = parseCidr(this.#clusterCidr)
    const used = new Set([...this.#members.values().map((member) => member.podCidr), ...this.#keptPodCidrs.values()])
    for (let base = first; base + podCidrSize <= first + size; base += podCidrSize) {
      const cidr = `${formatIpv4(base)}/24`
      if (!used.has(cidr)) return cidr
    }
    throw new StatusError('Forbidden', `cluster CIDR ${this.#clusterCidr} has no pod CIDR left for another node`)
  }
}
