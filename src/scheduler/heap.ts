/** A binary heap that gives the least item first; items can be taken out of the middle. */
export interface Heap<T> {
  readonly size: number
  push(item: T): void
  peek(): T | undefined
  pop(): T | undefined
  remove(item: T): boolean
}

/** `comesBefore` must be a strict order that does not change while an item is inside. */
export function createHeap<T>(comesBefore: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = []
  const positions = new Map<T, number>()

  const put = (item: T, at: number): void => {
    items[at] = item
    positions.set(item, at)
  }
  const rise = (item: T, from: number): void => {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!comesBefore(item, items[parent]!)) break
      put(items[parent]!, at)
      at = parent
    }
    put(item, at)
  }
  const sink = (item: T, from: number): void => {
    let at = from
    for (;;) {
      let child = 2 * at + 1
      if (child >= items.length) break
      if (child + 1 < items.length && comesBefore(items[child + 1]!, items[child]!)) child++
      if (!comesBefore(items[child]!, item)) break
      put(items[child]!, at)
      at = child
    }
    put(item, at)
  }
  const remove = (item: T): boolean => {
    const at = positions.get(item)
    if (at === undefined) return false
    positions.delete(item)
    const last = items.pop()!
    if (last !== item) {
      if (at > 0 && comesBefore(last, items[(at - 1) >> 1]!)) rise(last, at)
      else sink(last, at)
    }
    return true
  }

  return {
    get size() {
      return items.length
    },
    push(item) {
      items.push(item)
      rise(item, items.length - 1)
    },
    peek: () => items[0],
    pop() {
      const first = items[0]
      if (first !== undefined) remove(first)
      return first
    },
    remove,
  }
}
