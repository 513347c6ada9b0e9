import { CommanderError } from 'commander'
import { buildProgram } from './build-program.ts'
import type { Io } from './command.ts'
import { rootCommand } from './commands/root.ts'

const abort = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    abort.abort(new Error(`ended by ${name}`))
    process.exitCode = name === 'SIGINT' ? 130 : 143
  })
}
// `stormo get pods | head` closes our output early: that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
})

const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  stdin: process.stdin,
  stdout: process.stdout,
  env: process.env,
  signal: abort.signal,
}

try {
  await buildProgram(rootCommand, io, (exitCode) => (process.exitCode ??= exitCode)).parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version are no errors; anything else commander has already printed.
    process.exitCode = error.exitCode
  } else if (!abort.signal.aborted) {
    io.err(`error: ${error instanceof Error ? error.message : String(error)}\n`)
    if (process.env['STORMO_DEBUG'] && error instanceof Error) io.err(`${error.stack}\n`)
    process.exitCode = 1
  }
}
