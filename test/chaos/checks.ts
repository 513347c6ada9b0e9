import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../src/api/object.ts'
import type { ConditionalWrite, DeclaredWrite, FieldWrite, Holding, LeaderSighting } from './history.ts'

/** Each check answers with what is wrong: nothing, when the promise was kept. */
export type Problems = string[]

/** Raft's election safety, as the nodes told it: a term has one leader. */
export function leadersOfTerms(sightings: readonly LeaderSighting[]): Problems {
  const problems = new Set<string>()
  const leaders = new Map<number, LeaderSighting>()
  for (const one of sightings) {
    const before = leaders.get(one.term)
    if (!before) leaders.set(one.term, one)
    else if (before.leader !== one.leader)
      problems.add(`term ${one.term}: ${before.node} named ${before.leader}, ${one.node} named ${one.leader}`)
  }
  return [...problems]
}

/** What was acknowledged is there, or gone; what was refused was not done. `present` are the names at one node. */
export function declaredWrites(writes: readonly DeclaredWrite[], present: ReadonlySet<string>, node: string): Problems {
  const deletes = new Map(writes.filter(({ verb }) => verb === 'delete').map((write) => [write.name, write]))
  return writes
    .filter(({ verb }) => verb === 'create')
    .flatMap(({ name, outcome, error, node: at }) => {
      const deleted = deletes.get(name)?.outcome
      const isThere = present.has(name)
      if (outcome === 'refused') return isThere ? [`${node} has ${name}, which ${at} refused: ${error}`] : []
      if (deleted === 'acknowledged') return isThere ? [`${node} has ${name}, deleted at ${at}`] : []
      if (outcome === 'acknowledged' && deleted !== 'unknown' && !isThere)
        return [`${node} lacks ${name}, made at ${at}`]
      return []
    })
}

/**
 * A field that one client wrote has the value that was acknowledged last, or one whose outcome is unknown (it may have
 * been carried out late); a field of many clients has any that was not refused.
 */
export function fieldWrites(writes: readonly FieldWrite[], data: Record<string, string>): Problems {
  return [...Map.groupBy(writes, ({ field }) => field)].flatMap(([field, all]) => {
    const possible = all.filter(({ outcome }) => outcome !== 'refused')
    const last = possible.findLast(({ outcome }) => outcome === 'acknowledged')
    const isOfOne = new Set(all.map(({ node }) => node)).size === 1
    const allowed = isOfOne ? possible.filter((one) => one === last || one.outcome === 'unknown') : possible
    const actual = data[field]
    if (actual === undefined && last === undefined) return []
    return allowed.some(({ value }) => value === actual)
      ? []
      : [`field ${field} is ${actual}, acknowledged last was ${last?.value}`]
  })
}

/**
 * Whether conditional writes of one register are linearizable. Every state has a name of its own, so the order is told
 * by the states themselves: a chain from the first to the last, that holds every acknowledged write once, none that was
 * refused, and no write after one that was called only when it had returned.
 */
export function conditionalWrites(writes: readonly ConditionalWrite[], initial: string, final: string): Problems {
  const byValue = new Map(writes.map((write) => [write.value, write]))
  const chain: ConditionalWrite[] = []
  for (let state = final; state !== initial;) {
    const write = byValue.get(state)
    if (!write) return [`the state "${state}" was written by nobody`]
    chain.unshift(write)
    if (chain.length > writes.length) return [`the states before "${final}" are a circle`]
    state = write.expected
  }
  const inChain = new Set(chain)
  const tell = (one: ConditionalWrite): string => `${one.node}: "${one.expected}" to "${one.value}" ${one.error}`
  const problems = writes
    .filter((one) => one.outcome === 'acknowledged' && !inChain.has(one))
    .map((one) => `an acknowledged write is lost: ${tell(one)}`)
  for (const one of chain) if (one.outcome === 'refused') problems.push(`a refused write was made: ${tell(one)}`)
  let latestCallMs = 0
  for (const one of chain) {
    if (one.outcome === 'acknowledged' && one.returnedMs < latestCallMs) problems.push(`made too late: ${tell(one)}`)
    latestCallMs = Math.max(latestCallMs, one.calledMs)
  }
  return problems
}

/** No two hold the Lease at once. */
export function leaseHoldings(holdings: readonly Holding[]): Problems {
  const ordered = holdings.toSorted((a, b) => a.fromMs - b.fromMs)
  return ordered.flatMap((one, at) =>
    ordered
      .slice(at + 1)
      .filter((other) => other.holder !== one.holder && other.fromMs < one.untilMs)
      .map((other) => `${other.holder} took over at ${other.fromMs}, ${one.holder} held until ${one.untilMs}`),
  )
}

/** Values that were given to more than one object. */
export function givenTwice(what: string, given: Iterable<readonly [value: string, to: string]>): Problems {
  const problems: Problems = []
  const owners = new Map<string, string>()
  for (const [value, to] of given) {
    const owner = owners.get(value)
    if (owner !== undefined && owner !== to) problems.push(`${what} ${value} was given to ${owner} and to ${to}`)
    owners.set(value, to)
  }
  return problems
}

/** Where the objects of two nodes differ, but for the versions, which each node gives of its own. */
export function differences(a: readonly KubeObject[], b: readonly KubeObject[]): Problems {
  const [left, right] = [byName(a), byName(b)]
  return [...new Set([...left.keys(), ...right.keys()])].flatMap((name) =>
    valueDifferences(name, left.get(name), right.get(name)),
  )
}

const byName = (objects: readonly KubeObject[]): Map<string, KubeObject> =>
  new Map(
    objects.map((one) => [
      `${one.kind} ${one.metadata.namespace ?? ''}/${one.metadata.name}`,
      { ...one, metadata: { ...one.metadata, resourceVersion: undefined } },
    ]),
  )

function valueDifferences(path: string, a: unknown, b: unknown): Problems {
  if (!isRecord(a) || !isRecord(b)) return isDeepStrictEqual(a, b) ? [] : [`${path}: ${brief(a)} and ${brief(b)}`]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
    valueDifferences(`${path}.${key}`, a[key], b[key]),
  )
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const brief = (value: unknown): string => String(JSON.stringify(value)).slice(0, 200)
