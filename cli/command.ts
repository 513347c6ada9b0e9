/** What a command may touch of the process it runs in. */
export interface Io {
  out(text: string): void
  err(text: string): void
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  readonly env: NodeJS.ProcessEnv
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal
}

export interface Invocation {
  /** Positional arguments in order; a variadic last one is spread. */
  readonly args: string[]
  /** What stood after `--`; empty unless the command takes it. */
  readonly rest: readonly string[]
  /** By the long flag's camel-cased name. */
  readonly options: Readonly<Record<string, unknown>>
  readonly io: Io
}

export interface OptionDefinition {
  /** As commander reads it: `-f, --filename <file>`. */
  flags: string
  summary: string
  default?: unknown
  /** May be given several times; the value is a list. */
  repeatable?: boolean
  /** The value is a whole number; anything else is refused with the option's name. */
  integer?: boolean
  /** Taken, but left out of the help: `stormo options` lists those of every command. */
  hidden?: boolean
}

/** A command as data: commander is built from it, help and tests read it. */
export interface CommandDefinition {
  name: string
  /** As commander reads it: `<type> [name...]`. */
  arguments?: string
  aliases?: readonly string[]
  summary: string
  /** Shown below the options in `--help`. */
  examples?: string
  options?: readonly OptionDefinition[]
  commands?: readonly CommandDefinition[]
  hidden?: boolean
  /** Heading in the help of the command above. */
  group?: string
  /** What stands after `--` is for another program (exec, run, ssh). */
  takesRest?: boolean
  /** All arguments and options are for another program. */
  passThrough?: boolean
  /** Returns the exit code; nothing is 0. */
  run?(invocation: Invocation): Promise<number | void>
}

/** An error whose message is all that the user needs: printed as `error: …`, exit code 1. */
export class UsageError extends Error {
  override name = 'UsageError'
}

export const option = {
  text: (invocation: Invocation, name: string): string | undefined => {
    const value = invocation.options[name]
    return typeof value === 'string' ? value : undefined
  },
  flag: (invocation: Invocation, name: string): boolean => invocation.options[name] === true,
  integer: (invocation: Invocation, name: string): number | undefined => {
    const value = invocation.options[name]
    return typeof value === 'number' ? value : undefined
  },
  list: (invocation: Invocation, name: string): string[] => {
    const value = invocation.options[name]
    return Array.isArray(value) ? (value as string[]) : []
  },
}
