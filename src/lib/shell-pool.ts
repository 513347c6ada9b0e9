import { randomBytes } from 'node:crypto'
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { exec, type ExecOptions, type ExecResult } from './exec.ts'

/** Runs programs; see {@link createShellPool}. */
export interface ShellPool {
  readonly exec: typeof exec
  /** Ends the shells, and with them what they run; what waits is refused. Later calls start processes of their own. Idempotent. */
  stop(): void
}

interface Job {
  readonly command: string
  readonly args: readonly string[]
  readonly options: ExecOptions
  resolve(result: ExecResult): void
  reject(error: Error): void
}

const defaultTimeoutMs = 60_000
/** The most that is kept of each output, in characters; what is beyond is dropped. */
const maxOutputLength = 16 * 1024 * 1024

/**
 * As `exec`, but programs are started by shells that stand ready. A process of hundreds of megabytes stops for
 * milliseconds each time that it forks, since its page tables are copied; a shell of one megabyte does not.
 * At most `size` programs run at once, the others wait in turn. Text that is given as input gets a line end.
 * @param enter What the shells are started with: a way into a namespace, such as `['nsenter', '--net=…']`.
 */
export function createShellPool({ size, enter = [] }: { size: number; enter?: readonly string[] }): ShellPool {
  const idle: Shell[] = []
  const shells = new Set<Shell>()
  const waiting: Job[] = []
  let stopped = false

  function startWaiting(): void {
    if (stopped) return
    while (waiting.length > 0) {
      const shell = idle.pop() ?? (shells.size < size ? startShell(enter) : undefined)
      if (!shell) return
      shells.add(shell)
      void work(shell, waiting.shift()!)
    }
  }

  async function work(shell: Shell, { command, args, options, resolve, reject }: Job): Promise<void> {
    try {
      const result = await shell.run(command, args, options)
      idle.push(shell)
      if (result.code === programNotFound) reject(missing(command, result.stderr))
      else resolve(result)
    } catch (error) {
      shells.delete(shell)
      shell.end()
      reject(error as Error)
    }
    startWaiting()
  }

  return {
    exec(command, args, options = {}) {
      const { input, signal, env, cwd } = options
      if (stopped || signal || env || cwd || (input !== undefined && typeof input !== 'string')) {
        const [program = '', ...rest] = [...enter, command, ...args]
        return exec(program, rest, options)
      }
      return new Promise<ExecResult>((resolve, reject) => {
        waiting.push({ command, args, options, resolve, reject })
        startWaiting()
      })
    },
    stop() {
      stopped = true
      for (const shell of shells) shell.end()
      for (const { command, reject } of waiting.splice(0)) reject(new Error(`${command}: was not started any more`))
    },
  }
}

/** The error that `exec` has for it. */
const missing = (command: string, said: string): Error =>
  Object.assign(new Error(`${command}: ${said.trim() || 'not found'}`), { code: 'ENOENT', syscall: `spawn ${command}` })

/** The shell's exit code for a program that it cannot find. */
const programNotFound = 127

interface Shell {
  /** One program after another. Rejects when the shell is of no use any more. */
  run(command: string, args: readonly string[], options: ExecOptions): Promise<ExecResult>
  end(): void
}

function startShell(enter: readonly string[]): Shell {
  const [program = '', ...args] = [...enter, 'sh']
  // A group of its own, so that what runs in it ends with it; and no reason for the agent to stay.
  const child = spawn(program, args, { stdio: 'pipe', detached: true })
  child.unref()
  const out = createReader(child.stdout)
  const err = createReader(child.stderr)
  const ended = new Promise<never>((_, reject) => {
    child.on('error', reject)
    child.on('exit', () => reject(new Error('the shell that starts programs has ended')))
  })
  // Somebody hears of it only while a program runs.
  ended.catch(() => {})
  child.stdin.on('error', () => {})

  return {
    async run(command, commandArgs, { input, timeoutMs = defaultTimeoutMs }) {
      const token = randomBytes(12).toString('hex')
      hold(child, true)
      child.stdin.write(script(token, [command, ...commandArgs], input as string | undefined))
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`${command}: not done within ${timeoutMs} ms`)), timeoutMs)
      })
      try {
        const both = Promise.all([out.until(token), err.until(token)])
        const [stdout, stderr] = await Promise.race([both, ended, late])
        return { code: Number(stdout.rest), stdout: stdout.text, stderr: stderr.text }
      } finally {
        clearTimeout(timer)
        hold(child, false)
      }
    },
    end() {
      child.stdin.destroy()
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It is gone already.
      }
    },
  }
}

/** A waiting shell does not keep the process alive, a working one does. */
function hold(child: ChildProcessWithoutNullStreams, isWorking: boolean): void {
  for (const pipe of [child.stdin, child.stdout, child.stderr] as unknown as { ref(): void; unref(): void }[]) {
    if (isWorking) pipe.ref()
    else pipe.unref()
  }
}

/** What the shell is told: run it, then say on both outputs that they are complete, and the exit code on one. */
function script(token: string, words: readonly string[], input: string | undefined): string {
  const command = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
  const lines = input === undefined || input === '' || input.endsWith('\n') ? input : `${input}\n`
  const source = lines ? `<<'${token}'\n${lines}${token}\n` : '</dev/null\n'
  return `${command} ${source}printf '\\n${token} %d\\n' $?; printf '\\n${token} \\n' >&2\n`
}

/** Reads an output piece by piece, each up to a line that begins with a token. */
function createReader(stream: NodeJS.ReadableStream) {
  let pieces: string[] = []
  let length = 0
  /** The last of what came, in which a mark may be under way: the whole is not searched for every piece. */
  let tail = ''
  let wanted: { token: string; done(found: { text: string; rest: string }): void } | undefined

  function look(): void {
    if (!wanted) return
    const mark = `\n${wanted.token} `
    const at = tail.indexOf(mark)
    const end = at < 0 ? -1 : tail.indexOf('\n', at + mark.length)
    if (end < 0) return
    const { done } = wanted
    const whole = pieces.join('')
    const text = whole.slice(0, Math.max(0, length - (tail.length - at)))
    const rest = tail.slice(at + mark.length, end)
    wanted = undefined
    tail = tail.slice(end + 1)
    pieces = [tail]
    length = tail.length
    done({ text, rest })
  }
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    if (length < maxOutputLength) pieces.push(text)
    length += text.length
    tail = tail.slice(-markLength) + text
    look()
  })
  return {
    until(token: string): Promise<{ text: string; rest: string }> {
      return new Promise((resolve) => {
        wanted = { token, done: resolve }
        look()
      })
    },
  }
}

/** A mark is no longer than this. */
const markLength = 64
