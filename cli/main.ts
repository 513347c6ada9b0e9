import { delimiter } from 'node:path'
import { CommanderError } from 'commander'
import { commandWord, prepareArguments } from './arguments.ts'
import { buildProgram } from './build-program.ts'
import type { Io } from './command.ts'
import { commandNames, loadRoot } from './commands/root.ts'
import { findPlugin, type FoundPlugin } from './plugins.ts'
import { paletteFor } from './printers/colour.ts'
import { describeError } from './report-error.ts'

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
  stderr: process.stderr,
  env: process.env,
  signal: abort.signal,
}

async function runCommand(typed: readonly string[], finish: (exitCode: number) => void): Promise<void> {
  const root = await loadRoot((options) => commandWord({ options }, typed))
  const { argv, rest } = prepareArguments(root, typed)
  await buildProgram(root, { io, rest, finish }).parseAsync(argv, { from: 'user' })
}

/** A plugin talks to the cluster that we would talk to, where there is one. */
async function runPlugin({ path, args }: FoundPlugin): Promise<number> {
  const [{ runProgram }, { kubeconfigPaths }] = await Promise.all([
    import('./run-program.ts'),
    import('./connection.ts'),
  ])
  const kubeconfigs = kubeconfigPaths({ args: [], rest: [], options: {}, io })
  return await runProgram(path, args, {
    ...io.env,
    ...(kubeconfigs.length > 0 ? { KUBECONFIG: kubeconfigs.join(delimiter) } : {}),
  })
}

try {
  const typed = process.argv.slice(2)
  const finish = (exitCode: number): void => void (process.exitCode ??= exitCode)
  const plugin = typed[0] === undefined || commandNames.has(typed[0]) ? undefined : findPlugin(typed, io.env)
  if (plugin) finish(await runPlugin(plugin))
  else await runCommand(typed, finish)
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version are no errors; anything else commander has already printed.
    process.exitCode = error.exitCode
  } else if (!abort.signal.aborted) {
    const asked = process.argv.find((word) => word.startsWith('--color='))?.slice('--color='.length)
    io.err(`${paletteFor(io, io.stderr, asked)('bad', describeError(error))}\n`)
    if (process.env['STORMO_DEBUG'] && error instanceof Error) io.err(`${error.stack}\n`)
    process.exitCode = 1
  }
}
