import type { GroupResource, KubeObject } from '../api/object.ts'
import { errors, StatusError } from '../api/status-error.ts'
import type { Status } from '../api/kinds.ts'
import type { Clock } from '../lib/clock.ts'

/** One page of a list. */
export interface Page {
  items: KubeObject[]
  resourceVersion: string
  continue?: string
  remainingItemCount?: number
}

/** All that a list selects, at one version. */
interface Cut {
  items: KubeObject[]
  resourceVersion: string
}

/** What a continue token says, base64url of its JSON. `rv` '' stands for "whatever is current". */
interface Token {
  v: 'stormo/v1'
  rv: string
  /** namespace/name of the last object of the page before. */
  after: string
  cut: number
}

/**
 * Consistent paging without a multi-version store: the cut that the first page was made from is kept, by reference,
 * until its last page is read or its time is over. Then the token answers 410 as an etcd after compaction does.
 */
export interface Pager {
  first(ref: GroupResource, list: Cut, limit: number, exact: boolean): Page
  /** `list` serves tokens that were told to go on without a consistent cut. Throws StatusError Expired or BadRequest. */
  next(token: string, list: () => Promise<Cut>, limit: number, exact: boolean): Promise<Page>
}

const maxCuts = 256

/** `keepMs`: how long a cut lives, upstream's compaction interval of five minutes. */
export function createPager(clock: Clock, keepMs = 300_000): Pager {
  const cuts = new Map<number, Cut & { expiresMs: number }>()
  let sequence = 0

  function dropOld(): void {
    for (const [id, cut] of cuts) {
      if (cuts.size <= maxCuts && cut.expiresMs > clock.monotonicMs()) break
      cuts.delete(id)
    }
  }

  function keep(list: Cut): number {
    const id = ++sequence
    cuts.set(id, { ...list, expiresMs: clock.monotonicMs() + keepMs })
    dropOld()
    return id
  }

  function page(
    items: KubeObject[],
    from: number,
    limit: number,
    resourceVersion: string,
    cut: number,
    exact: boolean,
  ): Page {
    const slice = limit > 0 ? items.slice(from, from + limit) : items.slice(from)
    const remaining = items.length - from - slice.length
    const last = slice.at(-1)
    if (remaining === 0 || last === undefined) return { items: slice, resourceVersion }
    return {
      items: slice,
      resourceVersion,
      continue: encode({ v: 'stormo/v1', rv: resourceVersion, after: positionOf(last), cut }),
      ...(exact ? { remainingItemCount: remaining } : {}),
    }
  }

  return {
    first(_ref, list, limit, exact) {
      if (limit <= 0 || list.items.length <= limit) return { items: list.items, resourceVersion: list.resourceVersion }
      return page(list.items, 0, limit, list.resourceVersion, keep(list), exact)
    },
    async next(text, list, limit, exact) {
      dropOld()
      const token = decode(text)
      const cut = token.rv === '' ? undefined : cuts.get(token.cut)
      if (token.rv !== '' && cut?.resourceVersion !== token.rv) {
        throw new ExpiredContinue(encode({ ...token, rv: '' }))
      }
      const source = cut ?? (await list())
      // What goes on without the old cut is consistent again from here to its end.
      const id = cut ? token.cut : keep(source)
      const at = source.items.findIndex((item) => positionOf(item) > token.after)
      return page(source.items, at === -1 ? source.items.length : at, limit, source.resourceVersion, id, exact)
    },
  }
}

/** 410 whose metadata carries a token that goes on inconsistently. */
class ExpiredContinue extends StatusError {
  readonly token: string

  constructor(token: string) {
    super(
      'Expired',
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
    )
    this.token = token
  }

  override toStatus(): Status {
    return { ...super.toStatus(), metadata: { continue: this.token } }
  }
}

const positionOf = (object: KubeObject): string => `${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`

const encode = (token: Token): string => Buffer.from(JSON.stringify(token)).toString('base64url')

function decode(text: string): Token {
  try {
    const token = JSON.parse(Buffer.from(text, 'base64url').toString()) as Partial<Token>
    if (token.v === 'stormo/v1' && typeof token.rv === 'string' && typeof token.after === 'string') {
      return { v: token.v, rv: token.rv, after: token.after, cut: Number(token.cut) }
    }
  } catch {
    // Not base64 of JSON: answered below as any other token that is not ours.
  }
  throw errors.badRequest('continue key is not valid: the token was not issued by this server')
}
