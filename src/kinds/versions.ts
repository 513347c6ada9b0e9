const shape = /^v(\d+)(?:(alpha|beta)(\d+))?$/
const stages = { alpha: 0, beta: 1, stable: 2 }

/** Orders `v1alpha1 < v1beta1 < v1 < v2`, as upstream's version priority. */
export function compareVersions(a: string, b: string): number {
  const left = rank(a)
  const right = rank(b)
  for (const [index, value] of left.entries()) {
    const difference = value - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function rank(version: string): number[] {
  const [, major, stage = 'stable', minor] = shape.exec(version) ?? []
  if (major === undefined) return [-1, 0, 0]
  return [stages[stage as keyof typeof stages], Number(major), Number(minor ?? 0)]
}

/** The version to store in when nothing else is said. `versions` is not empty. */
export const newestVersion = (versions: readonly string[]): string => versions.toSorted(compareVersions).at(-1) ?? 'v1'
