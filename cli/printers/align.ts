interface Cell {
  text: string
  /** Blanks after it. */
  fill: number
}

/**
 * Elastic tab stops as Go's text/tabwriter has them (minwidth 0, padding 2): a cell is text that a tab ends; cells of
 * neighbouring lines at the same place form a column as wide as its widest cell and two blanks. What follows a line's
 * last tab belongs to no column. kubectl's descriptions are laid out by it.
 */
export function alignTabs(lines: readonly string[], padding = 2): string {
  const table = lines.map((line) => line.split('\t').map((text): Cell => ({ text, fill: 0 })))
  alignColumn(table, 0, table.length, 0, padding)
  return table.map((cells) => cells.map(({ text, fill }) => text + ' '.repeat(fill)).join('') + '\n').join('')
}

function alignColumn(table: readonly Cell[][], from: number, to: number, column: number, padding: number): void {
  const hasCell = (line: number): boolean => column < table[line]!.length - 1
  for (let start = from; start < to; start++) {
    if (!hasCell(start)) continue
    let end = start
    while (end < to && hasCell(end)) end++
    const block = table.slice(start, end)
    const width = Math.max(...block.map((cells) => widthOf(cells[column]!.text))) + padding
    for (const cells of block) cells[column]!.fill = width - widthOf(cells[column]!.text)
    alignColumn(table, start, end, column + 1, padding)
    start = end
  }
}

const widthOf = (text: string): number => [...text].length
