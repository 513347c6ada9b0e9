import { normalizeScores, type Pressure, type ScorePlugin } from '../framework/framework.ts'

/**
 * What a pod declares to strain: `cpu=0.8,io=0.3`, each 0…1. Measured values, which PodMetrics carry under the same name,
 * take its place where there are any.
 */
export const pressureAnnotation = 'stormo.dev/pressure-profile'

const maxDimensions = 16

/** Reads the annotation; parts that make no sense are left out. */
export function parsePressure(text: string | undefined): Pressure | undefined {
  if (!text) return undefined
  const found = text
    .split(',', maxDimensions)
    .map((part) => part.split('='))
    .map(([name = '', amount = '']) => [name.trim(), Number(amount)] as const)
    .filter(([name, amount]) => name !== '' && amount > 0 && amount <= 1)
  return found.length === 0 ? undefined : Object.fromEntries(found)
}

/** Writes what {@link parsePressure} reads; what is next to nothing is left out. */
export const formatPressure = (pressure: Pressure): string =>
  Object.entries(pressure)
    .map(([name, amount]): [string, number] => [name, Math.round(Math.min(1, amount) * 1000) / 1000])
    .filter(([, amount]) => amount > 0)
    .map(([name, amount]) => `${name}=${amount}`)
    .join(',')

/**
 * Prefers nodes whose pods strain other things than this one: two pods of the same profile together slow each other
 * down. The raw score is the inner product of the pod's pressure with the sum of those on the node.
 */
export const interPodInterference: ScorePlugin<readonly (readonly [string, number])[]> = {
  name: 'InterPodInterference',
  prepare({ pod }, snapshot) {
    const pressure = snapshot.pressureOf(pod)
    return pressure && Object.entries(pressure)
  },
  score(_pod, node, pressure) {
    let sum = 0
    for (const [name, amount] of pressure) sum += amount * (node.pressure.get(name) ?? 0)
    // Sums of fractions that came and went leave dust, which must not tell nodes apart.
    return Math.round(sum * 1e6)
  },
  normalize: (scores) => normalizeScores(scores, true),
}
