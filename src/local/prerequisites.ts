import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { exec } from '../lib/exec.ts'

/** A program that a local cluster needs, and the Debian package that brings it. Without an optional one something is missing. */
const programs: readonly { program: string; package: string; without?: string }[] = [
  { program: 'dockerd', package: 'docker.io' },
  { program: 'docker', package: 'docker.io' },
  { program: 'nft', package: 'nftables' },
  { program: 'ip', package: 'iproute2' },
  { program: 'iptables', package: 'iptables' },
  { program: 'tini', package: 'tini' },
  { program: 'sysctl', package: 'procps' },
  { program: 'nsenter', package: 'util-linux' },
  { program: 'conntrack', package: 'conntrack' },
  { program: 'busybox', package: 'busybox-static' },
  { program: 'haproxy', package: 'haproxy', without: 'nodes serve no Ingress' },
]

const searchPath = (): string[] => [
  ...(process.env['PATH'] ?? '').split(delimiter),
  '/usr/sbin',
  '/sbin',
  '/usr/bin',
  '/bin',
]

export function findProgram(program: string): string | undefined {
  for (const dir of searchPath()) {
    const path = join(dir, program)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not in this folder.
    }
  }
  return undefined
}

/** A missing prerequisite, in one line that says what to do. */
export class PrerequisiteError extends Error {
  override name = 'PrerequisiteError'
}

/**
 * Sees to everything that local clusters need of this machine: root, cgroups, namespaces and programs; programs that are
 * missing are installed from Debian's packages. Throws PrerequisiteError with one clear line for what it cannot mend.
 */
export async function ensurePrerequisites(progress: (line: string) => void): Promise<void> {
  if (process.platform !== 'linux')
    throw new PrerequisiteError('a local cluster needs Linux: its nodes are made of namespaces')
  if (process.getuid?.() !== 0)
    throw new PrerequisiteError('not root: local nodes need namespaces, nftables and dockerd; run it again with sudo')
  if (!existsSync('/sys/fs/cgroup/cgroup.controllers') && !existsSync('/sys/fs/cgroup/memory'))
    throw new PrerequisiteError(
      'no cgroups: neither /sys/fs/cgroup/cgroup.controllers (v2) nor /sys/fs/cgroup/memory (v1) is mounted',
    )
  await installMissing(progress)
  const probe = await exec('unshare', ['--net', 'nft', 'list', 'tables'])
  if (probe.code !== 0)
    throw new PrerequisiteError(
      `nftables does not work in a new network namespace here: ${probe.stderr.trim().split('\n')[0]}`,
    )
}

async function installMissing(progress: (line: string) => void): Promise<void> {
  const missing = programs.filter(({ program }) => findProgram(program) === undefined)
  if (missing.length === 0) return
  const needed = missing.filter((one) => one.without === undefined)
  if (needed.length === 0) return await installOptional(missing, progress)
  const packages = [...new Set(missing.map((one) => one.package))]
  const names = missing.map((one) => one.program).join(', ')
  if (findProgram('apt-get') === undefined)
    throw new PrerequisiteError(`missing programs: ${names}; install them with your system's package manager`)
  progress(`Installing ${packages.join(' ')} from Debian's packages…`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = () =>
    exec('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { env, timeoutMs: 600_000 })
  let result = await install()
  if (result.code !== 0) {
    const update = await exec('apt-get', ['update'], { env, timeoutMs: 300_000 })
    if (update.code !== 0)
      throw new PrerequisiteError(`missing programs: ${names}; 'apt-get update' failed: ${lastLine(update.stderr)}`)
    result = await install()
  }
  if (result.code !== 0)
    throw new PrerequisiteError(
      `missing programs: ${names}; 'apt-get install ${packages.join(' ')}' failed: ${lastLine(result.stderr)}`,
    )
}

/** What is merely missed does not keep a cluster from starting. */
async function installOptional(
  missing: readonly { program: string; package: string; without?: string }[],
  progress: (line: string) => void,
): Promise<void> {
  const packages = missing.map((one) => one.package)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const args = ['install', '-y', '--no-install-recommends', ...packages]
  const result = await exec('apt-get', args, { env, timeoutMs: 120_000 }).catch(() => undefined)
  if (result?.code === 0) return
  for (const { program, without } of missing) progress(`Without ${program} (not installed), ${without}.`)
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''
