import type { Exec } from '../exec.ts'

const timeoutMs = 15_000

/** Commands of one batch. */
export interface IpStep {
  readonly lines: readonly string[]
  /** Inside that process' network namespace. */
  readonly pid?: number
  /** A failure is fine, and the next step follows. */
  readonly mayFail?: boolean
  /** Written before the commands, in the same namespace, where the kernel has them. */
  readonly sysctls?: readonly (readonly [path: string, value: string])[]
}

/** Runs iproute2 and friends. All functions throw with what the program said. */
export interface IpCommand {
  /** `ip ARGS`. */
  run(...args: string[]): Promise<void>
  /** `ip -j ARGS`, parsed. An absent thing is an empty list. */
  list<T>(...args: string[]): Promise<T[]>
  /** Several commands in one process, stopping at the first that fails. */
  batch(lines: readonly string[]): Promise<void>
  /** As `batch`, but goes on after a failure, and throws in the end. `program`: `ip` or `bridge`. */
  batchAll(lines: readonly string[], program?: 'ip' | 'bridge'): Promise<void>
  /** Batches one after another, behind one start of a process. */
  batches(steps: readonly IpStep[]): Promise<void>
  /** As `run`, but a failure is fine: deleting what may be gone, adding what may be there. */
  attempt(...args: string[]): Promise<boolean>
  /** Writes a file below /proc/sys of the network namespace. False when the kernel has no such setting. */
  sysctl(path: string, value: string): Promise<boolean>
  /** Their values, in order; '' for what the kernel does not have. */
  readSysctls(paths: readonly string[]): Promise<string[]>
}

export function createIpCommand(exec: Exec): IpCommand {
  async function check(command: string, args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await exec(command, args, { input, timeoutMs })
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${(stderr || stdout).trim().slice(0, 1_000)}`)
    return stdout
  }
  return {
    run: async (...args) => void (await check('ip', args)),
    async list<T>(...args: string[]): Promise<T[]> {
      const { code, stdout } = await exec('ip', ['-j', ...args], { timeoutMs })
      if (code !== 0 || stdout.trim() === '') return []
      return JSON.parse(stdout) as T[]
    },
    batch: async (lines) => void (await check('ip', ['-batch', '-'], `${lines.join('\n')}\n`)),
    async batchAll(lines, program = 'ip') {
      if (lines.length > 0) await check(program, ['-force', '-batch', '-'], `${lines.join('\n')}\n`)
    },
    async batches(steps) {
      // A shell of a megabyte starts them all: starting a process stops the agent, with its memory to be copied, for
      // milliseconds each time.
      const script = steps.flatMap(({ pid, mayFail, sysctls = [] }, index) => {
        const enter = pid === undefined ? '' : `nsenter --net=/proc/${pid}/ns/net `
        const run = `printf '%s\\n' "$${index + 1}" | ${enter}ip -batch -`
        const set = sysctls.map(([path, value]) => `${enter}sh -c 'echo ${value} >/proc/sys/${path}' 2>/dev/null`)
        return [...set, mayFail ? `${run} 2>/dev/null` : `${run} || exit`]
      })
      const texts = steps.map(({ lines }) => lines.join('\n'))
      const { code, stderr } = await exec('sh', ['-c', script.join('\n'), 'sh', ...texts], { timeoutMs })
      if (code !== 0) throw new Error(`ip -batch -: ${stderr.trim().slice(0, 1_000)}`)
    },
    attempt: async (...args) => (await exec('ip', args, { timeoutMs })).code === 0,
    async sysctl(path, value) {
      const script = 'test -w "$1" && printf %s "$2" > "$1"'
      return (await exec('sh', ['-c', script, 'sh', `/proc/sys/${path}`, value], { timeoutMs })).code === 0
    },
    async readSysctls(paths) {
      const script = 'for path; do echo "$(cat "/proc/sys/$path" 2>/dev/null)"; done'
      return (await check('sh', ['-c', script, 'sh', ...paths])).split('\n').slice(0, paths.length)
    },
  }
}
