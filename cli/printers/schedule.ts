import type { Explanation } from '../../src/scheduler/framework/explain.ts'
import { printTable } from './table.ts'

/** What `stormo schedule explain` prints: who refuses which node and why, and the scores of those that fit. Pure. */
export function printExplanation(explanation: Explanation): string {
  const { refused, filters, scores, nodes, chosen, message } = explanation
  if (refused) return `Refused before any node was looked at, by ${refused.plugin}: ${refused.reasons.join(', ')}\n`
  const parts: string[] = []
  const filterRows = nodes.map(({ name, fits, refusals }) => [
    name,
    fits ? 'yes' : 'no',
    ...filters.map((filter) => (refusals[filter] ? 'refuses' : 'ok')),
  ])
  parts.push('Filters:\n', printTable(['NODE', 'FITS', ...filters.map((one) => one.toUpperCase())], filterRows))
  const reasons = nodes.flatMap(({ name, refusals }) =>
    Object.entries(refusals).map(([filter, texts]) => [name, filter, texts.join(', ')]),
  )
  if (reasons.length > 0) parts.push('\nReasons:\n', printTable(['NODE', 'FILTER', 'REASON'], reasons))
  const fitting = nodes.filter(({ fits }) => fits)
  if (fitting.length > 0) {
    const header = ['NODE', ...scores.map(({ name, weight }) => `${name.toUpperCase()} x${weight}`), 'TOTAL']
    const rows = fitting.map((node) => [
      node.name,
      ...scores.map(({ name }) => rounded(node.scores[name] ?? 0)),
      rounded(node.total),
    ])
    parts.push('\nScores (0 to 100, before they are weighed):\n', printTable(header, rows))
  }
  if (chosen !== undefined) {
    const ties = fitting.filter(({ total }) => total === fitting[0]!.total).length
    parts.push(`\nThe scheduler takes ${ties > 1 ? `one of the ${ties} with the highest total` : chosen}.\n`)
  }
  if (message !== undefined) parts.push(`\n${message}\n`)
  return parts.join('')
}

const rounded = (score: number): string => String(Math.round(score * 10) / 10)
