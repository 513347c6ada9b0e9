import { parseDurationMs } from '../src/lib/duration.ts'
import { type Invocation, option, UsageError } from './command.ts'

/** An option as milliseconds: a duration as Go writes it, a bare number is seconds. Undefined when it is not given. */
export function durationMs(invocation: Invocation, name: string): number | undefined {
  const text = option.text(invocation, name)
  if (text === undefined) return undefined
  const ms = /^-?\d+$/.test(text) ? Number(text) * 1000 : parseDurationMs(text)
  const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  if (ms === undefined) throw new UsageError(`--${flag} ${text}: must be a duration such as 90s or 5m`)
  return ms
}
