import { UsageError } from '../command.ts'
import { findValues, parsePath, valueText } from '../jsonpath.ts'
import { printTable } from './table.ts'

/** `-o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[*].image`. */
export function printCustomColumns(spec: string, objects: readonly object[], withHeader: boolean): string {
  const columns = spec.split(/,(?![^[]*\])/).map((part) => {
    const at = part.indexOf(':')
    if (at <= 0) throw new UsageError(`unexpected custom-columns spec: ${part}, expected <header>:<json-path-expr>`)
    return { header: part.slice(0, at), steps: parsePath(part.slice(at + 1).replaceAll(/^\{|\}$/g, '')) }
  })
  const rows = objects.map((object) =>
    columns.map(({ steps }) => {
      const values = findValues(steps, object).filter((value) => value !== undefined && value !== null)
      return values.length === 0 ? '<none>' : values.map(valueText).join(',')
    }),
  )
  return printTable(withHeader ? columns.map(({ header }) => header) : [], rows)
}
