import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { UsageError } from './command.ts'

/** Runs another program on our streams and returns its exit code, 128 and the signal's number for one that was killed. */
export const runProgram = (
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd?: string,
): Promise<number> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, [...args], { stdio: 'inherit', env, ...(cwd === undefined ? {} : { cwd }) })
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new UsageError(`there is no ${program} on the PATH`) : error),
    )
    child.on('close', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)))
  })
