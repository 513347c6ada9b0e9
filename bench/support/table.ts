import type { Goal, Row } from '../bench.ts'

const headings = ['WHAT', 'STORMO', 'P50', 'P99', 'AGAINST', 'RATIO', 'GOAL'] as const

/** The rows of one bench as text, columns aligned; without rows the title only. Pure. */
export function printRows(title: string, rows: readonly Row[]): string {
  if (rows.length === 0) return `${title}\n`
  const cells = [headings, ...rows.map(cellsOf)]
  const widths = headings.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)))
  const lines = cells.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  )
  return [title, ...lines.map((line) => `  ${line}`), ''].join('\n')
}

function cellsOf(row: Row): string[] {
  const { value, unit, p50Ms, p99Ms, against } = row
  return [
    row.what,
    withUnit(value, unit),
    p50Ms === undefined ? '' : withUnit(p50Ms, 'ms'),
    p99Ms === undefined ? '' : withUnit(p99Ms, 'ms'),
    against ? `${against.what} ${withUnit(against.value, unit)}` : '',
    ratioOf(row)?.toFixed(2) ?? '',
    row.goal ? goalText(row, row.goal) : '',
  ]
}

/** Ours divided by the other's; below 1 is better for times and sizes, above 1 for rates. */
export function ratioOf({ value, against }: Row): number | undefined {
  return against?.ratio ?? (against && against.value > 0 ? value / against.value : undefined)
}

/** Whether the goal is met; undefined when what it is about was not measured. */
export function meets(row: Row, goal: Goal): boolean | undefined {
  const measured = { value: row.value, ratio: ratioOf(row), p99Ms: row.p99Ms }[goal.of]
  if (measured === undefined) return undefined
  return measured <= (goal.atMost ?? Infinity) && measured >= (goal.atLeast ?? -Infinity)
}

function goalText(row: Row, goal: Goal): string {
  const subject = { value: '', ratio: 'ratio ', p99Ms: 'p99 ' }[goal.of]
  const unit = { value: row.unit, ratio: '', p99Ms: 'ms' }[goal.of]
  const bounds = [
    ...(goal.atMost === undefined ? [] : [`≤ ${withUnit(goal.atMost, unit)}`]),
    ...(goal.atLeast === undefined ? [] : [`≥ ${withUnit(goal.atLeast, unit)}`]),
  ]
  const met = meets(row, goal)
  const verdict = met === undefined ? '' : met ? ' ok' : ' MISSED'
  return `${subject}${bounds.join(' ')}${verdict}`
}

/** Three digits that matter: 0.042, 4.21, 42.1, 421, 4210. */
function withUnit(value: number, unit: string): string {
  const digits = value === 0 || value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3
  const number = value
    .toFixed(digits)
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '')
  return unit === '' || unit.startsWith('/') ? `${number}${unit}` : `${number} ${unit}`
}
