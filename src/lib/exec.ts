import { spawn } from 'node:child_process'

export interface ExecOptions {
  input?: string | Uint8Array
  /** Default 60,000. The process is killed when it is over. */
  timeoutMs?: number
  signal?: AbortSignal
  env?: NodeJS.ProcessEnv
  cwd?: string
}

export interface ExecResult {
  code: number
  stdout: string
  stderr: string
}

/** The most that is kept of each output, in characters; what is beyond is dropped. */
const maxOutputLength = 16 * 1024 * 1024

/** Runs a program to its end, without a shell. Rejects only when it cannot be started, is aborted or times out. */
export function exec(command: string, args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: options.env,
      cwd: options.cwd,
      signal: options.signal,
      timeout: options.timeoutMs ?? 60_000,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (stdout.length < maxOutputLength) stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < maxOutputLength) stderr += text
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === null) reject(new Error(`${command} ${args.join(' ')}: ended by ${signal}: ${stderr.trim()}`))
      else resolve({ code, stdout, stderr })
    })
    // A program that does not read its input closes the pipe early; its exit code tells what happened.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input)
  })
}

/** As {@link exec}, but an exit code other than 0 is an error that carries what the program said. */
export async function execOk(command: string, args: readonly string[], options: ExecOptions = {}): Promise<string> {
  const result = await exec(command, args, options)
  if (result.code !== 0) {
    const said = (result.stderr || result.stdout).trim().slice(0, 2000)
    throw new Error(`${command} ${args.join(' ')}: exit code ${result.code}: ${said}`)
  }
  return result.stdout
}
