import type { KubeObject } from '../api/object.ts'
import type { WatchEvent } from '../registry/watch-stream.ts'

export const nameOf = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`

/** What a client knows that believes its watch: each event must fit what came before. */
export class WatchedState {
  readonly #who: string
  readonly #problem: (invariant: string, what: string) => void
  readonly #known = new Map<string, KubeObject>()

  constructor(who: string, problem: (invariant: string, what: string) => void) {
    this.#who = who
    this.#problem = problem
  }

  take({ type, object }: Exclude<WatchEvent, { type: 'BOOKMARK' | 'ERROR' }>): void {
    const name = nameOf(object)
    const before = this.#known.get(name)
    const at = `${this.#who} ${type} ${name} ${object.metadata.resourceVersion}`
    if ((type === 'ADDED') !== (before === undefined)) this.#problem('a watch tells what is new', at)
    if (type === 'DELETED') {
      if (before && withoutVersion(before) !== withoutVersion(object))
        this.#problem('a watch tells the state before', at)
      this.#known.delete(name)
    } else {
      this.#known.set(name, object)
    }
  }

  compare(listed: readonly KubeObject[]): void {
    const isTold = listed.every((object) => {
      const known = this.#known.get(nameOf(object))
      return known === object || JSON.stringify(known) === JSON.stringify(object)
    })
    if (!isTold || listed.length !== this.#known.size) this.#problem('a watch tells everything', this.#who)
  }
}

const withoutVersion = (object: KubeObject): string =>
  JSON.stringify(object, (key, value: unknown) => (key === 'resourceVersion' ? undefined : value))
