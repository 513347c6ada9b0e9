import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { hostname as machineHostname } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { execOk } from '../../lib/exec.ts'
import { gateBinary, gateCommand, gateFailedCommand } from '../gate-binary.ts'
import type { ContainerConfig } from '../runtime.ts'
import { setHostname } from './host-name.ts'

/** Where the gate is inside the container: /dev is always a file system of the container's own. */
const gateTarget = `/dev/${gateCommand}`

/** Docker's own, for an image that says nothing. */
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The process is through the gate within a millisecond or two of its name being set. */
const pollMs = 1
const openTimeoutMs = 10_000

/** Writes the gate's program and tries it. Throws when this directory's file system forbids execution. */
export async function installGate(stateDir: string): Promise<string> {
  const path = join(stateDir, gateCommand)
  await mkdir(stateDir, { recursive: true, mode: 0o755 })
  await writeFile(`${path}.new`, gateBinary(process.arch === 'arm64' ? 'arm64' : 'amd64'), { mode: 0o755 })
  await chmod(`${path}.new`, 0o755)
  await rename(`${path}.new`, path)
  await execOk(path, [machineHostname(), '/bin/true', '/usr/bin/true', '', 'true'], { timeoutMs: 5_000 })
  return path
}

/**
 * The container with the gate as its program, or undefined when it cannot have one: what it would run is not known, or
 * a volume of its own lies over /dev.
 */
export function behindGate(config: ContainerConfig, gatePath: string): ContainerConfig | undefined {
  const { hostname, imageDefaults, command, args } = config
  if (hostname === undefined || imageDefaults === undefined) return undefined
  if (config.mounts.some(({ target }) => target === '/dev' || target === gateTarget)) return undefined
  const own = command === undefined ? imageDefaults.command : []
  const argv = [...(command ?? imageDefaults.entrypoint), ...(args ?? own)]
  const [program] = argv
  if (program === undefined || program === '') return undefined
  const paths = candidates(program, [...imageDefaults.env, ...config.env])
  return {
    ...config,
    command: [gateTarget, hostname, ...paths, '', ...argv],
    args: [],
    mounts: [...config.mounts, { source: gatePath, target: gateTarget, readOnly: true, propagation: 'rprivate' }],
  }
}

/** The files that a program's name may mean, as execvp(3) looks for them. */
function candidates(program: string, env: readonly string[]): string[] {
  if (program.includes('/')) return [program]
  const path = env.findLast((one) => one.startsWith('PATH='))?.slice('PATH='.length) ?? defaultPath
  return path
    .split(':')
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, program))
}

/** Names the container and lets it through. False: nothing of what it should run could be executed. */
export async function openGate(pid: number, hostname: string, clock: Clock): Promise<boolean> {
  await setHostname(pid, hostname)
  const deadlineMs = clock.monotonicMs() + openTimeoutMs
  for (;;) {
    const name = await processName(pid)
    if (name === gateFailedCommand) return false
    if (name !== gateCommand) return true
    if (clock.monotonicMs() > deadlineMs) throw new Error(`process ${pid} still waits for the name ${hostname}`)
    await new Promise<void>((resolve) => clock.after(pollMs, resolve))
  }
}

/** Undefined once it has ended. */
const processName = (pid: number): Promise<string | undefined> =>
  readFile(`/proc/${pid}/comm`, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  )

/** Whether a process stands before the gate, such as one whose agent ended while it did. */
export const waitsAtGate = async (pid: number): Promise<boolean> =>
  [gateCommand, gateFailedCommand].includes((await processName(pid)) ?? '')
