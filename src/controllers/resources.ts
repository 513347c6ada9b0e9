import type { GroupResource } from '../api/object.ts'

/** A stored resource, as garbage collection, namespace deletion and quota need to know it. */
export interface CollectedResource {
  ref: GroupResource
  kind: string
  namespaced: boolean
}

/** One entry a stored resource, whatever versions it is served in. */
export function collectedResources(
  definitions: readonly {
    readonly group: string
    readonly resource: string
    readonly kind: string
    readonly namespaced: boolean
    readonly verbs: readonly string[]
    readonly storedAs?: object
  }[],
): CollectedResource[] {
  const found = new Map<string, CollectedResource>()
  for (const { group, resource, kind, namespaced, verbs, storedAs } of definitions) {
    if (storedAs || !verbs.includes('watch') || !verbs.includes('delete')) continue
    found.set(`${group}/${resource}`, { ref: { group, resource }, kind, namespaced })
  }
  return [...found.values()]
}

/** All that can be stored; CRDs come and go. */
export interface Resources {
  all(): readonly CollectedResource[]
  /** Calls back when `all` differs. Returns the way to stop. */
  onChange(handler: () => void): () => void
}

/** Asks for the list only when it may differ: it is looked into at every change of every object. */
export function rememberedResources(
  list: () => readonly CollectedResource[],
  onChange: ((handler: () => void) => () => void) | undefined,
): Resources {
  let remembered: readonly CollectedResource[] | undefined
  let followers = 0
  return {
    all() {
      // As long as nobody follows the changes, none would be noticed.
      if (followers === 0) return list()
      return (remembered ??= list())
    },
    onChange(handler) {
      if (!onChange) return () => undefined
      const stop = onChange(() => {
        remembered = undefined
        handler()
      })
      followers++
      remembered = undefined
      let isStopped = false
      return () => {
        if (isStopped) return
        isStopped = true
        followers--
        stop()
      }
    },
  }
}
