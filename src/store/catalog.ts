import { groupResourceName, keyString, type GroupResource, type ObjectKey } from '../api/object.ts'
import type { ObjectView } from './view.ts'

interface Shelf {
  names: string[]
  /** Names are put in order when somebody lists them: a cold start would otherwise shift them for each object. */
  isSorted: boolean
  views: Map<string, ObjectView>
}

interface Section {
  /** Namespaces in order; '' for cluster-scoped resources. */
  namespaces: string[]
  shelves: Map<string, Shelf>
  count: number
}

/** The objects that count, by name and in order: one a key. */
export class Catalog {
  readonly #sections = new Map<string, Section>()
  readonly #byKey = new Map<string, ObjectView>()

  get(key: ObjectKey): ObjectView | undefined {
    return this.#byKey.get(keyString(key))
  }

  get size(): number {
    return this.#byKey.size
  }

  set(view: ObjectView): void {
    const id = keyString(view.key)
    const isNew = !this.#byKey.has(id)
    this.#byKey.set(id, view)
    const section = this.#section(view.key)
    let shelf = section.shelves.get(view.key.namespace)
    if (!shelf) {
      shelf = { names: [], isSorted: true, views: new Map() }
      section.shelves.set(view.key.namespace, shelf)
      insertSorted(section.namespaces, view.key.namespace)
    }
    shelf.views.set(view.key.name, view)
    if (!isNew) return
    if (shelf.isSorted && (shelf.names.at(-1) ?? '') > view.key.name) shelf.isSorted = false
    shelf.names.push(view.key.name)
    section.count += 1
  }

  remove(key: ObjectKey): void {
    if (!this.#byKey.delete(keyString(key))) return
    const section = this.#section(key)
    const shelf = section.shelves.get(key.namespace)
    if (!shelf) return
    shelf.views.delete(key.name)
    removeSorted(sortedNames(shelf), key.name)
    section.count -= 1
    if (shelf.names.length > 0) return
    section.shelves.delete(key.namespace)
    removeSorted(section.namespaces, key.namespace)
  }

  list(ref: GroupResource, namespace?: string): ObjectView[] {
    const section = this.#sections.get(groupResourceName(ref))
    if (!section) return []
    const views: ObjectView[] = []
    for (const name of namespace === undefined ? section.namespaces : [namespace]) {
      const shelf = section.shelves.get(name)
      for (const object of shelf ? sortedNames(shelf) : []) {
        const view = shelf?.views.get(object)
        if (view) views.push(view)
      }
    }
    return views
  }

  count(ref: GroupResource): number {
    return this.#sections.get(groupResourceName(ref))?.count ?? 0
  }

  #section(ref: GroupResource): Section {
    const name = groupResourceName(ref)
    let section = this.#sections.get(name)
    if (!section) {
      section = { namespaces: [], shelves: new Map(), count: 0 }
      this.#sections.set(name, section)
    }
    return section
  }
}

function sortedNames(shelf: Shelf): string[] {
  if (!shelf.isSorted) shelf.names.sort()
  shelf.isSorted = true
  return shelf.names
}

/** Index at which `text` stands, or would. */
function positionOf(sorted: readonly string[], text: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? '') < text) low = middle + 1
    else high = middle
  }
  return low
}

function insertSorted(sorted: string[], text: string): void {
  const last = sorted.at(-1)
  if (last === undefined || last < text) sorted.push(text)
  else sorted.splice(positionOf(sorted, text), 0, text)
}

function removeSorted(sorted: string[], text: string): void {
  const at = positionOf(sorted, text)
  if (sorted[at] === text) sorted.splice(at, 1)
}
