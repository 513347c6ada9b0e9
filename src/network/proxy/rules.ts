import type { Family } from '../family.ts'

/**
 * The part of nftables that the proxy uses, as data: rendered to text for the kernel, and interpreted by the packet
 * tracer of the tests. One table for each family of addresses.
 */
export type Field = 'saddr' | 'daddr' | 'proto' | 'dport'

export type Match =
  | { match: 'prefix'; field: 'saddr' | 'daddr'; in: readonly string[]; not?: boolean }
  /** The address is one of this machine's (fib type local). */
  | { match: 'local'; field: 'saddr' | 'daddr' }
  | { match: 'set'; key: readonly Field[]; set: string; not?: boolean }
  | { match: 'mark' }
  /** Came in by this interface. */
  | { match: 'from'; interface: string }
  | { match: 'proto'; proto: string }
  /** Destination port in a range, ends included. */
  | { match: 'port'; proto: string; from: number; to: number }
  /** A program of this machine takes a connection at its address: the second packet of TCP's handshake. */
  | { match: 'accepts'; address: string; port: number }
  /** Not the first packet of its connection, or related to one (an ICMP error). */
  | { match: 'established' }
  /** Of no connection that the kernel knows, and not the beginning of one. */
  | { match: 'invalid' }
  /** IPv6 neighbours that look for each other (RFC 4861). */
  | { match: 'neighbour' }

export type Action =
  | { do: 'mark' }
  | { do: 'unmark' }
  /** Goes or jumps to the chain, or takes the verdict, that the map holds for the packet; goes on when it holds none. */
  | { do: 'lookup'; key: readonly Field[]; map: string }
  /** Redirects to what the map holds for the packet and a random number below `oneOf`; goes on when it holds none. */
  | { do: 'dnat'; key: readonly Field[]; oneOf: number; map: string }
  | { do: 'dnatTo'; proto: string; address: string; port: number }
  /** Goes to one of the chains at random. */
  | { do: 'pick'; chains: readonly string[] }
  /** Puts a field (default: the source address) into a dynamic set, for the set's time. */
  | { do: 'remember'; set: string; field?: Field }
  | { do: 'masquerade' }
  | { do: 'drop' }
  | { do: 'reject' }
  /** Refuses a TCP connection by ending it. */
  | { do: 'reset' }
  /** Goes on after the rule that led into this chain; in a hook's own chain: the packet passes. */
  | { do: 'return' }
  | { do: 'goto'; chain: string }
  | { do: 'jump'; chain: string }

export interface Rule {
  readonly when: readonly Match[]
  readonly does: readonly Action[]
}

export interface Hook {
  readonly type: 'nat' | 'filter'
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'
  readonly priority: string
}

export interface Chain {
  readonly hook?: Hook
  readonly rules: readonly Rule[]
}

/** What follows `map NAME` or `set NAME`: kind and declaration. */
export interface Container {
  readonly kind: 'map' | 'set'
  readonly declaration: string
}

/** Value of an element: '' in a set, `goto CHAIN`, `jump CHAIN`, `drop` or `ADDRESS . PORT` in a map. */
export type ElementValue = string

const fieldText = (field: Field, { name, protocol }: Family): string =>
  field === 'proto' ? protocol : field === 'dport' ? 'th dport' : `${name} ${field}`

/** A tuple of fields as nft reads it. */
export const keyText = (key: readonly Field[], family: Family): string =>
  key.map((field) => fieldText(field, family)).join(' . ')

function matchText(match: Match, mark: number, family: Family): string {
  switch (match.match) {
    case 'prefix': {
      const list = match.in.length === 1 ? match.in[0] : `{ ${match.in.join(', ')} }`
      return `${fieldText(match.field, family)} ${match.not ? '!= ' : ''}${list}`
    }
    case 'local':
      return `fib ${match.field} type local`
    case 'set':
      return `${keyText(match.key, family)} ${match.not ? '!= ' : ''}@${match.set}`
    case 'mark':
      return `meta mark & ${mark} == ${mark}`
    case 'from':
      return `iifname ${match.interface}`
    case 'proto':
      return `${family.protocol} ${match.proto}`
    case 'port':
      return `${match.proto} dport ${match.from === match.to ? match.from : `${match.from}-${match.to}`}`
    case 'accepts':
      return `${family.name} saddr ${match.address} tcp sport ${match.port} tcp flags & (syn | ack | rst) == syn | ack`
    case 'established':
      return 'ct state established,related'
    case 'invalid':
      return 'ct state invalid'
    case 'neighbour':
      return 'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }'
  }
}

function actionText(action: Action, mark: number, family: Family): string {
  switch (action.do) {
    case 'mark':
      return `meta mark set meta mark or ${mark}`
    case 'unmark':
      return `meta mark set meta mark and ${(~mark >>> 0).toString()}`
    case 'lookup':
      return `${keyText(action.key, family)} vmap @${action.map}`
    case 'dnat':
      return `dnat ${family.name} to ${keyText(action.key, family)} . numgen random mod ${action.oneOf} map @${action.map}`
    case 'dnatTo': {
      const address = family.name === 'ip6' ? `[${action.address}]` : action.address
      return `meta l4proto ${action.proto} dnat ${family.name} to ${address}:${action.port}`
    }
    case 'pick': {
      const entries = action.chains.map((chain, index) => `${index} : goto ${chain}`)
      return `numgen random mod ${action.chains.length} vmap { ${entries.join(', ')} }`
    }
    case 'remember':
      return `update @${action.set} { ${fieldText(action.field ?? 'saddr', family)} }`
    case 'masquerade':
      return 'masquerade fully-random'
    case 'drop':
    case 'reject':
    case 'return':
      return action.do
    case 'reset':
      return 'reject with tcp reset'
    case 'goto':
    case 'jump':
      return `${action.do} ${action.chain}`
  }
}

/** One rule as nft reads it. `mark` is the bit that stands for "masquerade this". */
export function ruleText(rule: Rule, mark: number, family: Family): string {
  return [
    ...rule.when.map((match) => matchText(match, mark, family)),
    ...rule.does.map((action) => actionText(action, mark, family)),
  ].join(' ')
}

/** One element: key parts and value. */
export const elementText = (key: string, value: ElementValue): string => (value === '' ? key : `${key} : ${value}`)
