import { StatusError } from '../api/status-error.ts'

/** Who has a value: a node's reserve, a claim of one object, or the cluster itself. */
export type Holder = `reserve:${string}` | `claim:${string}` | 'cluster'

/** The reserve of one incarnation of a node. */
export const reserveOf = (node: string, incarnation: number): Holder => `reserve:${node}#${incarnation}`

/** From the first to the last value. */
export interface Span {
  readonly first: number
  readonly last: number
}

/** What a claim of a value that somebody has is answered. */
export const alreadyAllocated = (what: string): StatusError =>
  new StatusError('Conflict', `provided ${what} is already allocated`)

/**
 * Steps of this size visit all of `span` values, neighbours far apart in time: reserves are spread over the range, so that
 * they seldom hold the round numbers that people ask for, which may be claimed from nobody's reserve but one's own.
 */
function strideOver(span: number): number {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
  let stride = Math.max(1, Math.round(span * 0.618))
  while (gcd(stride, span) !== 1) stride++
  return stride
}

/**
 * A range of numbers (addresses or ports) that are given out at most once: in blocks to nodes, which then hand them
 * out by themselves, or one by one to those who ask for a certain value. Reserves come from above `dynamicFirst`, so
 * that values which people write down rarely meet them (KEP-3070, KEP-3668).
 */
export class ReserveTable {
  readonly first: number
  readonly last: number
  readonly #dynamicFirst: number
  readonly #what: string
  readonly #format: (value: number) => string
  readonly #holders = new Map<number, Holder>()
  /** What {@link heldBy} answered since the last change. */
  readonly #held = new Map<Holder, readonly number[]>()
  /** Where the search for free values goes on, so that a value is not reused at once. */
  #cursor: number

  constructor(range: {
    first: number
    last: number
    dynamicFirst: number
    what: string
    format: (value: number) => string
  }) {
    this.first = range.first
    this.last = range.last
    this.#dynamicFirst = range.dynamicFirst
    this.#what = range.what
    this.#format = range.format
    this.#cursor = range.dynamicFirst
  }

  get free(): number {
    return this.#freeIn(this)
  }

  /** Values of no further range count here. */
  #freeIn({ first, last }: Span): number {
    let held = 0
    for (const value of this.#holders.keys()) if (value >= first && value <= last) held++
    return last - first + 1 - held
  }

  holder(value: number): Holder | undefined {
    return this.#holders.get(value)
  }

  /** Values of one holder, ascending. */
  heldBy(holder: Holder): readonly number[] {
    let held = this.#held.get(holder)
    if (!held) {
      held = [...this.#holders]
        .filter(([, other]) => other === holder)
        .map(([value]) => value)
        .toSorted((a, b) => a - b)
      this.#held.set(holder, held)
    }
    return held
  }

  #give(value: number, holder: Holder): void {
    this.#holders.set(value, holder)
    this.#held.clear()
  }

  entries(): Iterable<[number, Holder]> {
    return this.#holders.entries()
  }

  /**
   * Takes up to `wanted` values, never more than a quarter of what is free: the last ones are shared by all. With `further`,
   * a used-up upper band is followed by the lower one, and that by those ranges. (Entries of older logs have none, and
   * have to come to what they came to.)
   */
  reserve(holder: Holder, wanted: number, further?: readonly Span[]): number[] {
    const taken = this.#reserveDynamic(holder, Math.min(wanted, Math.ceil(this.free / 4)))
    if (further === undefined) return taken
    const lowerBand = { first: this.first, last: this.#dynamicFirst - 1 }
    for (const span of [lowerBand, ...further]) {
      if (taken.length >= wanted) break
      taken.push(...this.#reserveIn(span, holder, wanted - taken.length))
    }
    return taken
  }

  #reserveDynamic(holder: Holder, wanted: number): number[] {
    const taken: number[] = []
    const span = this.last - this.#dynamicFirst + 1
    const stride = strideOver(span)
    for (let tried = 0; tried < span && taken.length < wanted; tried++) {
      const value = this.#cursor
      this.#cursor = this.#dynamicFirst + ((value - this.#dynamicFirst + stride) % span)
      if (this.#holders.has(value)) continue
      this.#give(value, holder)
      taken.push(value)
    }
    return taken
  }

  /** In order: the search ends at the latest after as many values as are held. */
  #reserveIn(span: Span, holder: Holder, wanted: number): number[] {
    const allowed = Math.min(wanted, Math.ceil(this.#freeIn(span) / 4))
    const taken: number[] = []
    for (let value = span.first; value <= span.last && taken.length < allowed; value++) {
      if (this.#holders.has(value)) continue
      this.#give(value, holder)
      taken.push(value)
    }
    return taken
  }

  /** Makes a value of the reserve `from` the claim `to`. Throws Conflict when it is not (any more) in that reserve. */
  cede(value: number, from: Holder, to: Holder): void {
    if (this.#holders.get(value) !== from) throw alreadyAllocated(this.#what)
    this.#give(value, to)
  }

  /** Throws Conflict when another holds it, Invalid when it is outside of the range. Twice by the same owner is once. */
  claim(value: number, holder: Holder): void {
    if (!(value >= this.first && value <= this.last)) {
      const range = `${this.#format(this.first)}-${this.#format(this.last)}`
      const valid = `The range of valid ${this.#what}s is ${range}`
      throw new StatusError('Invalid', `provided ${this.#what} is not in the valid range. ${valid}`)
    }
    this.#take(value, holder)
  }

  /** As `claim`, for a value of another range; those of this one are claimed as usual. */
  claimBeyond(value: number, holder: Holder): void {
    if (value >= this.first && value <= this.last) this.claim(value, holder)
    else this.#take(value, holder)
  }

  #take(value: number, holder: Holder): void {
    const other = this.#holders.get(value)
    if (other !== undefined && other !== holder) throw alreadyAllocated(this.#what)
    this.#give(value, holder)
  }

  /** Frees claims, and what `mayFree` says of the others. */
  release(values: readonly number[], mayFree: (holder: Holder) => boolean): number[] {
    const freed = values.filter((value) => {
      const holder = this.#holders.get(value)
      return holder !== undefined && (holder.startsWith('claim:') || mayFree(holder))
    })
    for (const value of freed) this.#holders.delete(value)
    this.#held.clear()
    return freed
  }

  encode(): { cursor: number; held: [Holder, number[]][] } {
    return { cursor: this.#cursor, held: [...Map.groupBy(this.#holders.keys(), (value) => this.#holders.get(value)!)] }
  }

  restore(encoded: { cursor: number; held: [Holder, number[]][] }): void {
    this.#cursor = encoded.cursor
    this.#holders.clear()
    this.#held.clear()
    for (const [holder, values] of encoded.held) for (const value of values) this.#give(value, holder)
  }
}
