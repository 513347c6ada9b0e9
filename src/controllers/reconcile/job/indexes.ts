/** Sets of completion indexes, as text in ascending intervals: `1,3-5,7` (batch/v1 Job completedIndexes). */

/** The indexes below `completions` that the text names; what cannot be read is left out. */
export function parseIndexes(text: string | undefined, completions: number): Set<number> {
  const found = new Set<number>()
  for (const part of (text ?? '').split(',')) {
    const [, first, last] = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(part.trim()) ?? []
    if (first === undefined) continue
    const end = Math.min(Number(last ?? first), completions - 1)
    for (let index = Number(first); index <= end; index++) found.add(index)
  }
  return found
}

/** Two neighbours are written `1,2`, three and more `1-3`, as upstream does. */
export function formatIndexes(indexes: ReadonlySet<number>): string {
  const parts: string[] = []
  const sorted = [...indexes].toSorted((a, b) => a - b)
  for (let at = 0; at < sorted.length;) {
    const first = sorted[at]!
    let last = first
    while (sorted[at + 1] === last + 1) {
      last++
      at++
    }
    at++
    if (first === last) parts.push(String(first))
    else parts.push(last === first + 1 ? `${first},${last}` : `${first}-${last}`)
  }
  return parts.join(',')
}
