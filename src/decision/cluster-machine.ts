import { StatusError } from '../api/status-error.ts'
import type { RaftConfig } from '../raft/core/types.ts'
import type { DecidedObject } from '../store/decided.ts'
import {
  defaultClusterRanges,
  nodePortRange,
  type ClusterRanges,
  type Command,
  type CommandResult,
} from './cluster-state.ts'
import { DecidedObjects } from './decided-objects.ts'
import { formatIpv4, parseCidr, parseIpv4, usableSpan } from './ipv4.ts'
import { MembershipTable } from './membership-table.ts'
import { ReserveTable, reserveOf, type Holder } from './reserve-table.ts'

/** Results kept for repeated commands: at 2,000 a second more than the 10 s for which a command is repeated. */
const maxResults = 32_768
/** Most values that one command reserves. */
const maxReserved = 256

/** A command as the log holds it. */
export interface LoggedCommand {
  /** Given by whoever asked, the same in each repetition. Empty: not repeated. */
  id: string
  command: Command
}

export interface Applied {
  result: CommandResult
  /** The object whose decided values changed. */
  object?: DecidedObject
  membersChanged?: boolean
}

/**
 * What the decision log decides: a pure state machine. The same entries in the same order give the same state on
 * every node, so it looks at nothing but its arguments.
 */
export class ClusterMachine {
  readonly ranges: ClusterRanges
  readonly objects = new DecidedObjects()
  readonly membership: MembershipTable
  readonly clusterIps: ReserveTable
  readonly nodePorts: ReserveTable
  /** Oldest first. */
  readonly results = new Map<string, CommandResult>()

  constructor(ranges: ClusterRanges = defaultClusterRanges) {
    this.ranges = ranges
    this.membership = new MembershipTable(ranges.clusterCidr)
    const { first, size } = parseCidr(ranges.serviceCidr)
    // The lower band is left to those who ask for a certain address (KEP-3070), or port (KEP-3668).
    const staticIps = Math.min(Math.max(16, Math.floor(size / 16)), 256)
    this.clusterIps = new ReserveTable({
      first: first + 1,
      last: first + size - 2,
      dynamicFirst: first + 1 + staticIps,
      what: 'IP',
      format: formatIpv4,
    })
    this.clusterIps.claim(first + 1, 'cluster')
    this.clusterIps.claim(first + 10, 'cluster')
    const ports = nodePortRange.last - nodePortRange.first + 1
    this.nodePorts = new ReserveTable({
      ...nodePortRange,
      dynamicFirst: nodePortRange.first + Math.min(Math.max(16, Math.floor(ports / 32)), 128),
      what: 'port',
      format: String,
    })
  }

  /** Applies the command at log position `index`. A command whose id is known gets its first answer again. */
  apply({ id, command }: LoggedCommand, index: number): Applied {
    const known = this.results.get(id)
    if (known) return { result: known }
    const applied = this.#try(command, index)
    if (id !== '') this.#remember(id, applied.result)
    return applied
  }

  /** A configuration of the log is committed: members follow it. Returns whether any role changed. */
  applyConfig(config: RaftConfig): boolean {
    const before = this.membership.members()
    this.membership.setVoters(config.voters)
    return this.membership.members().some((member, at) => member !== before[at])
  }

  #try(command: Command, index: number): Applied {
    try {
      return this.#apply(command, index)
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      const { reason, message, details } = error
      return { result: { ok: false, index, reason, message, ...(details ? { details } : {}) } }
    }
  }

  #apply(command: Command, index: number): Applied {
    const done = (value: unknown, rest: Omit<Applied, 'result'> = {}): Applied => ({
      result: { ok: true, index, value },
      ...rest,
    })
    switch (command.type) {
      case 'object': {
        const object = this.objects.apply(command.entry, index, command.supersedes)
        return done({ index }, { object })
      }
      case 'member-add':
        return done(this.membership.add(command), { membersChanged: true })
      case 'member-update':
        return done(this.membership.update(command), { membersChanged: true })
      case 'member-remove':
        return done(this.membership.remove(command.node), { membersChanged: true })
      case 'token-create':
        return done(this.membership.createToken(command.token))
      case 'token-delete':
        return done(this.membership.deleteToken(command.id))
      case 'reserve':
        return done(this.#reserve(command))
      case 'claim':
        return done(this.#claim(command))
      case 'cede':
        return done(this.#cede(command))
      case 'release':
        return done(this.#release(command.clusterIps, command.nodePorts))
      case 'forget':
        return done(command.uids.filter((uid) => this.objects.forget(uid)).length)
      case 'noop':
        return done(null)
      default:
        throw unknownCommand(command, index)
    }
  }

  #reserve({ node, ranges, ...wanted }: Extract<Command, { type: 'reserve' }>): {
    clusterIps: string[]
    nodePorts: number[]
  } {
    const member = this.membership.member(node)
    if (!member) throw new StatusError('NotFound', `node "${node}" is not a member`)
    const holder = reserveOf(node, member.incarnation)
    const further = ranges?.map(usableSpan)
    return {
      clusterIps: this.clusterIps.reserve(holder, Math.min(wanted.clusterIps, maxReserved), further).map(formatIpv4),
      nodePorts: this.nodePorts.reserve(holder, Math.min(wanted.nodePorts, maxReserved), further && []),
    }
  }

  #cede({ node, incarnation, clusterIp, nodePort, owner }: Extract<Command, { type: 'cede' }>): null {
    const from = reserveOf(node, incarnation)
    if (clusterIp !== undefined) this.clusterIps.cede(parseAddress(clusterIp), from, `claim:${owner}`)
    if (nodePort !== undefined) this.nodePorts.cede(nodePort, from, `claim:${owner}`)
    return null
  }

  /** All or nothing. A node may claim from its own reserve: it alone knows whether the value is free there. */
  #claim({ node, clusterIp, range, nodePort, owner }: Extract<Command, { type: 'claim' }>): null {
    const member = this.membership.member(node)
    const own = member ? reserveOf(node, member.incarnation) : undefined
    const claim = (table: ReserveTable, value: number, holder: Holder) => {
      if (own === undefined || table.holder(value) !== own) table.claim(value, holder)
    }
    const holder: Holder = `claim:${owner}`
    const ip = clusterIp === undefined ? undefined : parseAddress(clusterIp)
    const fresh = ip !== undefined && this.clusterIps.holder(ip) === undefined
    if (ip !== undefined && range !== undefined && isIn(range, ip)) this.clusterIps.claimBeyond(ip, holder)
    else if (ip !== undefined) claim(this.clusterIps, ip, holder)
    try {
      if (nodePort !== undefined) claim(this.nodePorts, nodePort, holder)
    } catch (error) {
      if (fresh) this.clusterIps.release([ip], () => false)
      throw error
    }
    return null
  }

  /** Frees claims, and what is left of reserves whose node, or its incarnation, is no more. */
  #release(clusterIps: readonly string[], nodePorts: readonly number[]): number {
    const orphaned = (holder: Holder): boolean => {
      const [, node = '', incarnation = ''] = /^reserve:(.*)#(\d+)$/.exec(holder) ?? []
      return node !== '' && !this.membership.isCurrent(node, Number(incarnation))
    }
    const addresses = clusterIps.map(parseAddress)
    return this.clusterIps.release(addresses, orphaned).length + this.nodePorts.release(nodePorts, orphaned).length
  }

  #remember(id: string, result: CommandResult): void {
    this.results.set(id, result)
    if (this.results.size <= maxResults) return
    const oldest = this.results.keys().next().value
    if (oldest !== undefined) this.results.delete(oldest)
  }
}

function isIn(range: string, ip: number): boolean {
  const { first, last } = usableSpan(range)
  return ip >= first && ip <= last
}

/** Passing over what others apply would make this node's state another one than theirs: it must not go on. */
const unknownCommand = (command: never, index: number): Error =>
  new Error(
    `entry ${index} of the decision log is ${JSON.stringify((command as { type: string }).type)}, which this version of ` +
      'stormo does not know: a later one wrote it. Run that version on this node',
  )

function parseAddress(text: string): number {
  try {
    return parseIpv4(text)
  } catch {
    throw new StatusError('Invalid', `"${text}" is not an IPv4 address`)
  }
}
