import { execFile, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const launcher = fileURLToPath(new URL('../../cli/stormo', import.meta.url))

export interface Output {
  code: number
  stdout: string
  stderr: string
}

/** Runs a program to its end; never rejects for its exit code. */
export function run(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; input?: string; timeoutMs?: number } = {},
): Promise<Output> {
  return new Promise((resolve) => {
    const child = execFile(
      command,
      [...args],
      { env: { ...process.env, ...options.env }, timeout: options.timeoutMs ?? 60_000, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ code, stdout, stderr })
      },
    )
    child.stdin?.end(options.input)
  })
}

/** Our own command line. */
export const stormo = (...args: string[]): Promise<Output> => run(launcher, args, { timeoutMs: 180_000 })

/** As {@link stormo}, but a failure is an error that carries what was said. */
export async function stormoOk(...args: string[]): Promise<string> {
  const output = await stormo(...args)
  if (output.code !== 0)
    throw new Error(`stormo ${args.join(' ')}: exit code ${output.code}\n${output.stderr}${output.stdout}`)
  return output.stdout
}

/** Runs a command on a node of a local cluster. */
export const onNode = (node: string, ...command: string[]): Promise<Output> =>
  stormo('cluster', 'ssh', node, '--', ...command)

export { launcher }

/** Asks again until the answer is there; fails with the last one. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  timeoutMs = 30_000,
  everyMs = 200,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  let last: unknown
  while (Date.now() < deadline) {
    try {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer as T
      last = answer
    } catch (error) {
      last = error
    }
    await sleep(everyMs)
  }
  throw new Error(
    `${what}: not so after ${timeoutMs} ms; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`,
  )
}

/** Reads a program's output until a line fits, then ends it. */
export function untilLine(
  command: string,
  args: readonly string[],
  fits: RegExp,
  env: NodeJS.ProcessEnv,
  timeoutMs = 20_000,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    const timer = setTimeout(() => finish(new Error(`no line fits ${fits} in: ${text}`)), timeoutMs)
    const finish = (error?: Error): void => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      if (error) reject(error)
      else resolve(text)
    }
    const read = (chunk: Buffer): void => {
      text += chunk.toString('utf8')
      if (fits.test(text)) finish()
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.on('close', () =>
      fits.test(text) ? finish() : finish(new Error(`ended before a line fits ${fits}: ${text}`)),
    )
  })
}
