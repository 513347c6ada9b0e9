import { inRange, ipv4, ipv6 } from '../../src/network/family.ts'
import type { Action, Field, Match } from '../../src/network/proxy/rules.ts'
import type { RulesView } from '../../src/network/proxy/ruleset.ts'

/** The first packet of a connection. */
export interface Packet {
  saddr: string
  daddr: string
  proto: 'tcp' | 'udp' | 'sctp'
  dport: number
  /** Interface by which it came in. */
  from?: string
  /** The packet is the second of a connection: this port takes it. */
  accepts?: number
}

/** Where a node's rules let a packet go. */
export interface Traced {
  outcome: 'accept' | 'drop' | 'reject'
  daddr: string
  dport: number
  masqueraded: boolean
}

export interface Tracer {
  /** A packet that comes from a pod or from outside. */
  forward(packet: Packet): Traced
  /** A packet that a process of the node itself sends. */
  send(packet: Packet): Traced
}

interface Walk {
  packet: Packet
  marked: boolean
  masqueraded: boolean
  translated: boolean
}

type Verdict = 'drop' | 'reject' | 'done' | 'return' | undefined

/** Interprets the rules as the kernel does: hooks in their order, chains, lookups, dynamic sets. */
export function createTracer(
  view: RulesView,
  node: {
    /** Addresses of the node itself. */
    local: readonly string[]
    /** Chooses below the bound; stands for `numgen random`. */
    choose: (bound: number) => number
  },
): Tracer {
  /** Dynamic sets are filled by packets, so they belong to the tracer. */
  const remembered = new Map<string, Set<string>>()

  const fieldOf = (packet: Packet, field: Field): string => String(packet[field])
  const keyOf = (packet: Packet, key: readonly Field[]): string =>
    key.map((field) => fieldOf(packet, field)).join(' . ')

  function matches(match: Match, walk: Walk): boolean {
    const { packet } = walk
    switch (match.match) {
      case 'prefix':
        return match.in.some((range) => isInRange(fieldOf(packet, match.field), range)) !== (match.not ?? false)
      case 'local':
        return isLocal(fieldOf(packet, match.field))
      case 'set':
        return inSet(match.set, keyOf(packet, match.key)) !== (match.not ?? false)
      case 'mark':
        return walk.marked
      case 'from':
        return packet.from === match.interface
      case 'proto':
        return packet.proto === match.proto
      case 'port':
        return packet.proto === match.proto && packet.dport >= match.from && packet.dport <= match.to
      case 'accepts':
        return packet.accepts === match.port && packet.saddr === match.address
      case 'established':
      case 'invalid':
      case 'neighbour':
        return false
    }
  }

  const isLocal = (address: string) => node.local.includes(address) || address.startsWith('127.') || address === '::1'

  function inSet(name: string, key: string): boolean {
    if (remembered.get(name)?.has(key)) return true
    const elements = view.elements.get(name)
    if (!elements) return false
    if (elements.has(key)) return true
    // Interval sets: the last part of an element is a range.
    const cut = key.lastIndexOf(' . ')
    return [...elements.keys()].some((element) => {
      const at = element.lastIndexOf(' . ')
      return (
        element.includes('/') &&
        element.slice(0, at) === key.slice(0, cut) &&
        isInRange(key.slice(cut + 3), element.slice(at + 3))
      )
    })
  }

  function redirect(walk: Walk, target: string): Verdict {
    const [address = '', port = ''] = target.split(' . ')
    walk.packet = { ...walk.packet, daddr: address, dport: Number(port) }
    walk.translated = true
    return 'done'
  }

  function act(action: Action, walk: Walk): Verdict {
    switch (action.do) {
      case 'mark':
        walk.marked = true
        return undefined
      case 'unmark':
        walk.marked = false
        return undefined
      case 'lookup': {
        const verdict = view.elements.get(action.map)?.get(keyOf(walk.packet, action.key))
        if (verdict === undefined) return undefined
        if (verdict === 'drop') return 'drop'
        const [how, chain = ''] = verdict.split(' ')
        return how === 'jump' ? run(chain, walk) : (run(chain, walk) ?? 'done')
      }
      case 'dnat': {
        const key = `${keyOf(walk.packet, action.key)} . ${node.choose(action.oneOf)}`
        const target = view.elements.get(action.map)?.get(key)
        return target === undefined ? undefined : redirect(walk, target)
      }
      case 'dnatTo':
        return action.proto === walk.packet.proto ? redirect(walk, `${action.address} . ${action.port}`) : undefined
      case 'pick':
        return run(action.chains[node.choose(action.chains.length)] ?? '', walk) ?? 'done'
      case 'remember': {
        const set = remembered.get(action.set) ?? new Set<string>()
        remembered.set(action.set, set.add(fieldOf(walk.packet, action.field ?? 'saddr')))
        return undefined
      }
      case 'masquerade':
        walk.masqueraded = true
        return 'done'
      case 'reset':
        return 'reject'
      case 'drop':
      case 'reject':
      case 'return':
        return action.do
      case 'goto':
        return run(action.chain, walk) ?? 'done'
      case 'jump':
        return run(action.chain, walk)
    }
  }

  function run(name: string, walk: Walk): Verdict {
    const chain = view.chains.get(name)
    if (!chain) throw new Error(`a rule leads to chain ${name}, which does not exist`)
    for (const rule of chain.rules) {
      if (!rule.when.every((match) => matches(match, walk))) continue
      for (const action of rule.does) {
        const verdict = act(action, walk)
        if (verdict === 'return') return undefined
        if (verdict) return verdict
      }
    }
    return undefined
  }

  function trace(packet: Packet, hooks: (walk: Walk) => readonly string[]): Traced {
    const walk: Walk = { packet, marked: false, masqueraded: false, translated: false }
    const result = (outcome: Traced['outcome']): Traced => ({
      outcome,
      daddr: walk.packet.daddr,
      dport: walk.packet.dport,
      masqueraded: walk.masqueraded,
    })
    for (let step = 0; ; step++) {
      const hook = hooks(walk)[step]
      if (hook === undefined) return result('accept')
      const verdict = run(hook, walk)
      if (verdict === 'drop' || verdict === 'reject') return result(verdict)
    }
  }

  return {
    forward: (packet) =>
      trace(packet, (walk) =>
        isLocal(walk.packet.daddr) ? ['prerouting', 'input-filter'] : ['prerouting', 'forward-filter', 'postrouting'],
      ),
    send: (packet) =>
      trace(packet, (walk) => [
        'output',
        'output-filter',
        'postrouting',
        ...(isLocal(walk.packet.daddr) ? ['input-filter'] : []),
      ]),
  }
}

const isInRange = (address: string, range: string): boolean =>
  inRange(address, range, address.includes(':') ? ipv6 : ipv4)
