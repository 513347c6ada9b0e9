import { sameJson } from '../../lib/same-json.ts'
import type { Family } from '../family.ts'
import type { Contribution, Element } from './contribution.ts'
import { elementText, ruleText, type Chain, type Container, type ElementValue } from './rules.ts'

/** The rules that ought to hold, flat: what the audit compares and the tracer interprets. */
export interface RulesView {
  readonly chains: ReadonlyMap<string, Chain>
  readonly containers: ReadonlyMap<string, Container>
  /** container → key → value. */
  readonly elements: ReadonlyMap<string, ReadonlyMap<string, ElementValue>>
}

export interface Ruleset {
  /** Replaces what `owner` adds; undefined removes it. Of two owners of one key the alphabetically first counts. */
  set(owner: string, contribution: Contribution | undefined): void
  /**
   * nft commands that turn the rules of the previous call into the present ones; '' when nothing changed. Now and then
   * (the first service with more than a few endpoints) they make the whole anew.
   */
  takeDelta(): string
  /** nft commands that make the table anew, whatever the kernel has. Pending changes are part of it. */
  takeAll(): string
  readonly view: RulesView
}

interface Slot<T> {
  readonly byOwner: Map<string, T>
}

/**
 * Rules as the sum of what owners contribute, with the difference since it was last taken. Memory and time of a change
 * grow with the change, not with the rules.
 */
export function createRuleset(options: {
  family: Family
  /** nft table of that family. */
  table: string
  /** Bit of the packet mark that stands for "masquerade". */
  mark: number
  chains: ReadonlyMap<string, Chain>
  containers: ReadonlyMap<string, Container>
}): Ruleset {
  const table = `${options.family.name} ${options.table}`
  const contributions = new Map<string, Contribution>()
  const elementSlots = new Map<string, Map<string, Slot<ElementValue>>>()
  const chainSlots = new Map<string, Slot<Chain>>()
  const containerSlots = new Map<string, Slot<Container>>()
  const chains = new Map(options.chains)
  const containers = new Map(options.containers)
  const elements = new Map<string, Map<string, ElementValue>>()
  /** What changed, with what the kernel was last told of it. */
  let oldElements = new Map<string, Map<string, ElementValue | undefined>>()
  let oldChains = new Map<string, Chain | undefined>()
  let oldContainers = new Map<string, Container | undefined>()

  function setElement({ container, key }: Element, owner: string, value: ElementValue | undefined): void {
    const slots = getOrAdd(elementSlots, container, () => new Map<string, Slot<ElementValue>>())
    const next = change(slots, key, owner, value, firstOwner)
    const current = getOrAdd(elements, container, () => new Map<string, ElementValue>())
    const previous = current.get(key)
    if (previous === next) return
    const old = getOrAdd(oldElements, container, () => new Map<string, ElementValue | undefined>())
    if (!old.has(key)) old.set(key, previous)
    if (next === undefined) current.delete(key)
    else current.set(key, next)
  }

  function setNamed<T>(
    slots: Map<string, Slot<T>>,
    current: Map<string, T>,
    old: Map<string, T | undefined>,
    entry: { name: string; owner: string; value: T | undefined },
  ): void {
    const next = change(slots, entry.name, entry.owner, entry.value, anyOwner)
    const previous = current.get(entry.name)
    if (sameJson(previous, next)) return
    if (!old.has(entry.name)) old.set(entry.name, previous)
    if (next === undefined) current.delete(entry.name)
    else current.set(entry.name, next)
  }

  const addElements = (container: string, entries: readonly (readonly [string, ElementValue])[]): string =>
    `add element ${table} ${container} { ${entries.map(([key, value]) => elementText(key, value)).join(', ')} }\n`
  const deleteElements = (container: string, entries: readonly (readonly [string, ElementValue])[]): string =>
    `delete element ${table} ${container} { ${entries.map(([key, value]) => elementText(key, value)).join(', ')} }\n`
  const addContainer = (name: string, { kind, declaration }: Container): string =>
    `add ${kind} ${table} ${name} { ${declaration} }\n`
  const addChain = (name: string, { hook }: Chain): string =>
    hook
      ? `add chain ${table} ${name} { type ${hook.type} hook ${hook.hook} priority ${hook.priority}; policy accept; }\n`
      : `add chain ${table} ${name}\n`
  const addRules = (name: string, { rules }: Chain): string =>
    rules.map((rule) => `add rule ${table} ${name} ${ruleText(rule, options.mark, options.family)}\n`).join('')

  function forgetOld(): void {
    oldElements = new Map()
    oldChains = new Map()
    oldContainers = new Map()
  }

  function takeAll(): string {
    forgetOld()
    let text = `add table ${table}\ndelete table ${table}\nadd table ${table}\n`
    for (const [name, container] of containers) text += addContainer(name, container)
    for (const [name, chain] of chains) text += addChain(name, chain)
    for (const [name, chain] of chains) text += addRules(name, chain)
    for (const [container, entries] of elements) if (entries.size > 0) text += addElements(container, [...entries])
    return text
  }

  return {
    set(owner, contribution) {
      const before = contributions.get(owner)
      const keyOf = ({ container, key }: Element) => `${container}\0${key}`
      const kept = new Set(contribution?.elements.map(keyOf))
      for (const element of before?.elements ?? []) {
        if (!kept.has(keyOf(element))) setElement(element, owner, undefined)
      }
      for (const element of contribution?.elements ?? []) setElement(element, owner, element.value)
      for (const name of before?.chains.keys() ?? []) {
        if (!contribution?.chains.has(name)) setNamed(chainSlots, chains, oldChains, { name, owner, value: undefined })
      }
      for (const [name, value] of contribution?.chains ?? []) {
        setNamed(chainSlots, chains, oldChains, { name, owner, value })
      }
      for (const name of before?.containers.keys() ?? []) {
        if (contribution?.containers.has(name)) continue
        setNamed(containerSlots, containers, oldContainers, { name, owner, value: undefined })
      }
      for (const [name, value] of contribution?.containers ?? []) {
        setNamed(containerSlots, containers, oldContainers, { name, owner, value })
      }
      if (contribution) contributions.set(owner, contribution)
      else contributions.delete(owner)
    },

    takeDelta() {
      for (const [name, old] of oldChains) {
        const now = chains.get(name)
        // nft (1.0.6) cannot add a rule that redirects by a map which an earlier run has made.
        if (now && !sameJson(now, old) && usesEndpointMap(now)) return takeAll()
      }
      let declare = ''
      let fill = ''
      let remove = ''
      for (const [name, old] of oldContainers) {
        const now = containers.get(name)
        if (now && !old) declare += addContainer(name, now)
        if (!now && old) remove += `delete ${old.kind} ${table} ${name}\n`
      }
      let removedChains = ''
      for (const [name, old] of oldChains) {
        const now = chains.get(name)
        if (sameJson(now, old)) continue
        if (now && !old) declare += addChain(name, now)
        if (old) fill = `flush chain ${table} ${name}\n${fill}`
        if (now) fill += addRules(name, now)
        else removedChains += `delete chain ${table} ${name}\n`
      }
      for (const [container, old] of oldElements) {
        const now = elements.get(container)
        const gone: [string, ElementValue][] = []
        const come: [string, ElementValue][] = []
        for (const [key, value] of old) {
          const next = now?.get(key)
          if (next === value) continue
          if (value !== undefined) gone.push([key, value])
          if (next !== undefined) come.push([key, next])
        }
        if (gone.length > 0) fill += deleteElements(container, gone)
        if (come.length > 0) fill += addElements(container, come)
      }
      forgetOld()
      return declare + fill + removedChains + remove
    },

    takeAll,

    view: { chains, containers, elements },
  }
}

/** Sets or removes an owner's value of a slot and returns the value that counts. */
function change<T>(
  slots: Map<string, Slot<T>>,
  name: string,
  owner: string,
  value: T | undefined,
  choose: (byOwner: ReadonlyMap<string, T>) => string | undefined,
): T | undefined {
  const { byOwner } = getOrAdd(slots, name, (): Slot<T> => ({ byOwner: new Map() }))
  if (value === undefined) byOwner.delete(owner)
  else byOwner.set(owner, value)
  if (byOwner.size === 0) slots.delete(name)
  const counts = choose(byOwner)
  return counts === undefined ? undefined : byOwner.get(counts)
}

/** Two services may claim one external address: the same one wins on every node. */
function firstOwner(byOwner: ReadonlyMap<string, unknown>): string | undefined {
  let first: string | undefined
  for (const one of byOwner.keys()) if (first === undefined || one < first) first = one
  return first
}

/** Chains and sets of one name are equal whoever adds them, and shared by thousands: no search. */
const anyOwner = (byOwner: ReadonlyMap<string, unknown>): string | undefined => byOwner.keys().next().value

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

const usesEndpointMap = ({ rules }: Chain): boolean =>
  rules.some((rule) => rule.does.some((action) => action.do === 'dnat'))
