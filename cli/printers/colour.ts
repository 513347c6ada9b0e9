import type { Invocation, Io } from '../command.ts'

/** What a word or line is about; how it is shown is the terminal's business. */
export type Colour = 'good' | 'bad' | 'waiting' | 'heading' | 'muted'

export type Palette = (colour: Colour, text: string) => string

const codes: Readonly<Record<Colour, number>> = { good: 32, bad: 31, waiting: 33, heading: 1, muted: 2 }

export const plain: Palette = (_colour, text) => text

const coloured: Palette = (colour, text) => `\u001b[${codes[colour]}m${text}\u001b[0m`

/**
 * Colours for a stream: on a terminal only, never with NO_COLOR set (no-color.org) or TERM=dumb; `--color` always or
 * never overrides both.
 */
export function paletteFor(io: Io, stream: { isTTY?: boolean }, asked: unknown): Palette {
  if (asked === 'always') return coloured
  if (asked === 'never' || io.env['NO_COLOR'] || io.env['TERM'] === 'dumb') return plain
  return stream.isTTY ? coloured : plain
}

export const paletteOf = ({ io, options }: Pick<Invocation, 'io' | 'options'>): Palette =>
  paletteFor(io, io.stdout, options['color'])

const words: readonly (readonly [Colour, RegExp])[] = [
  [
    'bad',
    /(?<=^|\s)(?:NotReady\S*|Failed|\w*Error|Err\w+|\w*BackOff|Evicted|OOMKilled|Lost|Unknown|Denied|Warning)(?=\s|$)/gm,
  ],
  [
    'waiting',
    /(?<=^|\s)(?:Pending|Terminating|ContainerCreating|PodInitializing|Init:\S+|Released|SchedulingDisabled|Ready,SchedulingDisabled)(?=\s|$)/gm,
  ],
  ['good', /(?<=^|\s)(?:Ready|Running|Active|Bound|Available|Succeeded|Completed|Complete)(?=\s|$)/gm],
]

/** A printed table with its heading and the words of state coloured; widths were reckoned before. */
export function paint(table: string, palette: Palette): string {
  if (palette === plain || table === '') return table
  const [head = '', ...rest] = table.split('\n')
  const isHeading = !/[a-z]/.test(head)
  let body = (isHeading ? rest : [head, ...rest]).join('\n')
  for (const [colour, pattern] of words) body = body.replaceAll(pattern, (word) => palette(colour, word))
  return isHeading ? `${palette('heading', head)}\n${body}` : body
}

const outcomes: readonly (readonly [Colour, RegExp])[] = [
  ['bad', / (?:force )?deleted\b/],
  ['waiting', / configured\b| serverside-applied\b| patched\b| replaced\b/],
  ['good', / (?:created|exposed|autoscaled)\b/],
  ['muted', / unchanged\b/],
]

/** `pod/web created` with its outcome coloured. */
export function paintOutcome(line: string, palette: Palette): string {
  const found = outcomes.find(([, pattern]) => pattern.test(line))
  return found ? line.replace(found[1], (word) => ` ${palette(found[0], word.trimStart())}`) : line
}
