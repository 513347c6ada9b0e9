/**
 * Versions of what members say to each other about the declared state. A program reads every version of its range, and
 * writes the newest that all who hear it read; so members of neighbouring releases work together, in any order of upgrade.
 */
export interface WireRange {
  readonly oldest: number
  readonly newest: number
}

/** What this program speaks. 2: a tombstone names its object's creation. */
export const ownWire: WireRange = { oldest: 2, newest: 2 }

/** What a member speaks that does not say: members have said it since there was more than one version. */
export const unsaidWire: WireRange = { oldest: 2, newest: 2 }

/** The newest version that both read; undefined where there is none. */
export function commonWire(one: WireRange, other: WireRange): number | undefined {
  const newest = Math.min(one.newest, other.newest)
  return newest >= Math.max(one.oldest, other.oldest) ? newest : undefined
}

export interface Speaker {
  /** What users know it by. */
  readonly node: string
  readonly speaks?: WireRange
}

/** Why two members cannot speak with each other, and what to do; undefined where they can. */
export function wireRefusal(one: Speaker, other: Speaker): string | undefined {
  const [mine, theirs] = [one.speaks ?? unsaidWire, other.speaks ?? unsaidWire]
  if (commonWire(mine, theirs) !== undefined) return undefined
  const behind = mine.newest < theirs.newest ? one : other
  return (
    `${one.node} speaks ${wireText(mine)} of the wire format, ${other.node} ${wireText(theirs)}: ` +
    `upgrade ${behind.node} first, to a release that speaks both`
  )
}

/** Of all members, those that cannot speak with each other, and what to do: a line a pair. */
export const wireRefusals = (members: readonly Speaker[]): string[] =>
  members.flatMap((one, index) => members.slice(index + 1).flatMap((other) => wireRefusal(one, other) ?? []))

const wireText = ({ oldest, newest }: WireRange): string =>
  oldest === newest ? `version ${oldest}` : `versions ${oldest} to ${newest}`
