import type { KubeObject } from '../src/api/object.ts'
import { age } from '../src/lib/duration.ts'
import { formatLabels } from '../src/lib/selector.ts'

/** meta.k8s.io/v1 Table, as far as printing needs it. */
export interface ServerTable {
  kind: 'Table'
  metadata?: { resourceVersion?: string; continue?: string }
  columnDefinitions: { name: string; priority: number }[]
  rows: { cells: (string | number | boolean | null)[]; object: KubeObject }[]
}

export const tableAccept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'

export interface TableView {
  wide: boolean
  withNamespace: boolean
  withLabels: boolean
  /** Labels that have a column of their own. */
  labelColumns?: readonly string[]
  /** `type.group/` before names, where several types are listed. */
  prefix?: string
}

/** Header and cells of a server's table as the user asked to see them. */
export function tableCells(
  table: Pick<ServerTable, 'columnDefinitions' | 'rows'>,
  view: TableView,
): { header: string[]; rows: string[][] } {
  const { labelColumns = [] } = view
  const shown = table.columnDefinitions
    .map((column, index) => ({ column, index }))
    .filter(({ column }) => view.wide || column.priority === 0)
  const header = [
    ...(view.withNamespace ? ['NAMESPACE'] : []),
    ...shown.map(({ column }) => column.name.toUpperCase()),
    ...labelColumns.map((key) => key.slice(key.lastIndexOf('/') + 1).toUpperCase()),
    ...(view.withLabels ? ['LABELS'] : []),
  ]
  const rows = table.rows.map((row) => [
    ...(view.withNamespace ? [row.object.metadata.namespace ?? ''] : []),
    ...shown.map(
      ({ column, index }) => (column.name === 'Name' ? (view.prefix ?? '') : '') + cellText(row.cells[index]),
    ),
    ...labelColumns.map((key) => row.object.metadata.labels?.[key] ?? ''),
    ...(view.withLabels ? [labelText(row.object)] : []),
  ])
  return { header, rows }
}

const cellText = (cell: string | number | boolean | null | undefined): string =>
  cell === null || cell === undefined ? '<none>' : String(cell)

function labelText(object: KubeObject): string {
  return formatLabels(object.metadata.labels)
}

/** Name and age only, as with --server-print=false. */
export const plainTable = (objects: readonly KubeObject[], nowMs: number): ServerTable => ({
  kind: 'Table',
  columnDefinitions: [
    { name: 'Name', priority: 0 },
    { name: 'Age', priority: 0 },
  ],
  rows: objects.map((object) => ({
    cells: [object.metadata.name ?? '', age(object.metadata.creationTimestamp, nowMs)],
    object,
  })),
})
