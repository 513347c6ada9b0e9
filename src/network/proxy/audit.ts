import type { RulesView } from './ruleset.ts'

/** What differs between the kernel's table and what it should hold, in words; empty when they agree. */
export type Drift = string[]

/** Differences named in full; the rest is only counted. */
const maxNamed = 8

interface Listing {
  nftables: Record<string, unknown>[]
}

/**
 * Compares `nft -j list table` with the rules that ought to hold: every element, every chain with its number of rules.
 * What the kernel fills itself (sets with a timeout) is not compared.
 */
export function findDrift(listing: string, table: string, view: RulesView): Drift {
  const { nftables } = JSON.parse(listing) as Listing
  const drift: string[] = []
  const rulesByChain = new Map<string, number>()
  const elements = new Map<string, Map<string, string>>()
  for (const item of nftables) {
    const chain = item['chain'] as { table: string; name: string } | undefined
    const rule = item['rule'] as { table: string; chain: string } | undefined
    const container = (item['map'] ?? item['set']) as { table: string; name: string; elem?: unknown[] } | undefined
    if (chain?.table === table) rulesByChain.set(chain.name, rulesByChain.get(chain.name) ?? 0)
    if (rule?.table === table) rulesByChain.set(rule.chain, (rulesByChain.get(rule.chain) ?? 0) + 1)
    if (container?.table === table) elements.set(container.name, readElements(container.elem ?? []))
  }

  for (const [name, { rules }] of view.chains) {
    const count = rulesByChain.get(name)
    if (count === undefined) drift.push(`chain ${name} is missing`)
    else if (count !== rules.length) drift.push(`chain ${name} has ${count} rules instead of ${rules.length}`)
  }
  for (const name of rulesByChain.keys()) if (!view.chains.has(name)) drift.push(`chain ${name} is not ours`)

  for (const [name, { declaration }] of view.containers) {
    const found = elements.get(name)
    if (!found) {
      drift.push(`${name} is missing`)
      continue
    }
    if (declaration.includes('dynamic')) continue
    const wanted = view.elements.get(name) ?? new Map<string, string>()
    for (const [key, value] of wanted) {
      if (!found.has(key)) drift.push(`${name} lacks ${key}`)
      else if (found.get(key) !== value) drift.push(`${name} has ${found.get(key)} for ${key} instead of ${value}`)
    }
    for (const key of found.keys()) if (!wanted.has(key)) drift.push(`${name} has a foreign ${key}`)
  }
  return drift.length <= maxNamed ? drift : [...drift.slice(0, maxNamed), `and ${drift.length - maxNamed} more`]
}

function readElements(list: readonly unknown[]): Map<string, string> {
  const read = new Map<string, string>()
  for (const one of list) {
    // In a map an element is a pair; a set's element of several parts is an object.
    if (Array.isArray(one)) read.set(readKey(one[0]), readValue(one[1]))
    else read.set(readKey(one), '')
  }
  return read
}

function readKey(key: unknown): string {
  if (typeof key !== 'object' || key === null) return String(key)
  const { concat, prefix, elem } = key as { concat?: unknown[]; prefix?: Prefix; elem?: { val: unknown } }
  if (elem) return readKey(elem.val)
  if (prefix) return `${prefix.addr}/${prefix.len}`
  return concat ? concat.map(readKey).join(' . ') : JSON.stringify(key)
}

interface Prefix {
  addr: string
  len: number
}

function readValue(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    if ('goto' in value) return `goto ${(value.goto as { target: string }).target}`
    if ('jump' in value) return `jump ${(value.jump as { target: string }).target}`
    if ('drop' in value) return 'drop'
  }
  return readKey(value)
}
