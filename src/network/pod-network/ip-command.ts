import type { Exec } from '../exec.ts'

const timeoutMs = 15_000

/** Runs iproute2 and friends. All functions throw with what the program said. */
export interface IpCommand {
  /** `ip ARGS`. */
  run(...args: string[]): Promise<void>
  /** `ip -j ARGS`, parsed. An absent thing is an empty list. */
  list<T>(...args: string[]): Promise<T[]>
  /** Several commands in one process, stopping at the first that fails; `pid`: inside that process' network namespace. */
  batch(lines: readonly string[], pid?: number): Promise<void>
  /** As `run`, but a failure is fine: deleting what may be gone, adding what may be there. */
  attempt(...args: string[]): Promise<boolean>
  /** Writes a file below /proc/sys of the network namespace. False when the kernel has no such setting. */
  sysctl(path: string, value: string): Promise<boolean>
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
    async batch(lines, pid) {
      const input = `${lines.join('\n')}\n`
      if (pid === undefined) await check('ip', ['-batch', '-'], input)
      else await check('nsenter', [`--net=/proc/${pid}/ns/net`, 'ip', '-batch', '-'], input)
    },
    attempt: async (...args) => (await exec('ip', args, { timeoutMs })).code === 0,
    async sysctl(path, value) {
      const script = 'test -w "$1" && printf %s "$2" > "$1"'
      return (await exec('sh', ['-c', script, 'sh', `/proc/sys/${path}`, value], { timeoutMs })).code === 0
    },
  }
}
