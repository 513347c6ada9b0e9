/** Columns padded as kubectl pads them: three spaces between. Ends with a newline; nothing for no rows and no header. */
export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = header.length > 0 ? [header, ...rows] : rows
  if (lines.length === 0) return ''
  const widths: number[] = []
  for (const line of lines)
    line.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)))
  // As tab-parted cells: what stands last in its line is not padded.
  return lines
    .map((line) => {
      const last = line.length - 1
      return line.map((cell, column) => (column === last ? cell : cell.padEnd(widths[column]! + 3))).join('') + '\n'
    })
    .join('')
}
