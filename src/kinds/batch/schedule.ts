import { parseDurationMs } from '../../lib/duration.ts'

const macros = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']
const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

const fields: readonly { min: number; max: number; names?: readonly string[]; base?: number }[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: months, base: 1 },
  { min: 0, max: 6, names: days, base: 0 },
]

/** Why the text is no cron schedule (five fields, a macro, `@every 1h`); undefined when it is one. */
export function scheduleError(schedule: string): string | undefined {
  const text = schedule.replace(/^(CRON_)?TZ=\S+\s+/, '').trim()
  if (text.startsWith('@')) {
    if (macros.includes(text)) return undefined
    const every = /^@every (\S+)$/.exec(text)?.[1]
    if (every !== undefined) {
      return parseDurationMs(every) === undefined
        ? `failed to parse duration ${text}: time: invalid duration "${every}"`
        : undefined
    }
    return `unrecognized descriptor: ${text}`
  }
  const parts = text.split(/\s+/)
  if (parts.length !== fields.length) return `expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`
  for (const [index, part] of parts.entries()) {
    const field = fields[index]
    const problem =
      field &&
      part
        .split(',')
        .map((range) => rangeError(range, field))
        .find((one) => one !== undefined)
    if (problem) return problem
  }
  return undefined
}

function rangeError(range: string, { min, max, names, base = 0 }: (typeof fields)[number]): string | undefined {
  const [span = '', stepText, ...more] = range.split('/')
  if (more.length > 0) return `too many slashes: ${range}`
  const step = stepText === undefined ? 1 : wholeNumber(stepText)
  if (step === undefined)
    return `failed to parse int from ${stepText}: strconv.Atoi: parsing ${JSON.stringify(stepText)}: invalid syntax`
  if (step === 0) return `step of range should be a positive number: ${range}`
  if (span === '*' || span === '?') return undefined
  const [first = '', last, ...rest] = span.split('-')
  if (rest.length > 0) return `too many hyphens: ${range}`
  const numberOf = (text: string) => {
    const named = names?.indexOf(text.toLowerCase()) ?? -1
    return named >= 0 ? named + base : wholeNumber(text)
  }
  const start = numberOf(first)
  const end = last === undefined ? start : numberOf(last)
  for (const [text, value] of [
    [first, start],
    [last ?? first, end],
  ] as const) {
    if (value === undefined)
      return `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`
  }
  if (start === undefined || end === undefined) return undefined
  if (start < min) return `beginning of range (${start}) below minimum (${min}): ${range}`
  if (end > max) return `end of range (${end}) above maximum (${max}): ${range}`
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${range}`
  return undefined
}

const wholeNumber = (text: string) => (/^\d{1,6}$/.test(text) ? Number(text) : undefined)
