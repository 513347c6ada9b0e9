/** Columns padded as kubectl pads them: three spaces between, none at a line's end. Ends with a newline; nothing for no rows and no header. */
export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = header.length > 0 ? [header, ...rows] : rows
  if (lines.length === 0) return ''
  const widths: number[] = []
  for (const line of lines)
    line.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)))
  return lines
    .map(
      (line) =>
        line
          .map((cell, column) => cell.padEnd(widths[column]! + 3))
          .join('')
          .trimEnd() + '\n',
    )
    .join('')
}
