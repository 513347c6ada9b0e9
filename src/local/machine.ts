import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exec, execOk } from '../lib/exec.ts'
import { identifyProcess, isRunning, type ProcessIdentity } from '../lib/process-identity.ts'
import type { LocalNode } from './layout.ts'

/**
 * Power of one machine. A machine is a set of namespaces (net, mount, uts, ipc, pid) around a first process; killing
 * that process is a power-off, because the kernel then kills everything in its pid namespace.
 */

/** What the first process sets up: a /run, /etc/docker, /etc/stormo, /var/lib/stormo and /var/lib/kubelet of its own, and a /sys that shows its own devices. */
const bootScript = `
set -e
hostname "$NODE_NAME"
mount --make-rshared /
mkdir -p /etc/docker /etc/stormo /var/lib/stormo /var/lib/kubelet /var/cache/stormo
mount --bind "$NODE_DIR/etc-docker" /etc/docker
mount --bind "$NODE_DIR/etc-stormo" /etc/stormo
mount --bind "$NODE_DIR/stormo" /var/lib/stormo
mkdir -p /var/lib/stormo/kubelet
mount --bind /var/lib/stormo/kubelet /var/lib/kubelet
mount --bind "$NODE_DIR/hosts" /etc/hosts
if [ -e /etc/resolv.conf ]; then mount --bind "$NODE_DIR/resolv.conf" /etc/resolv.conf; fi
mount --rbind /sys/fs/cgroup "$NODE_DIR/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$NODE_DIR/cgroup" /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/stormo
exec tini -s -- sleep infinity
`

const recordPath = (node: LocalNode): string => join(node.dir, 'power.json')

/** The process that waits for the machine, in the host's pid namespace. */
function waiterOf(node: LocalNode): ProcessIdentity | undefined {
  try {
    const recorded = JSON.parse(readFileSync(recordPath(node), 'utf8')) as ProcessIdentity
    return isRunning(recorded) ? recorded : undefined
  } catch {
    return undefined
  }
}

/** Host pid of the machine's first process, or undefined when it is off. */
export function firstProcess(node: LocalNode): number | undefined {
  const waiter = waiterOf(node)
  if (!waiter) return undefined
  try {
    const children = readFileSync(`/proc/${waiter.pid}/task/${waiter.pid}/children`, 'utf8').trim()
    return children === '' ? undefined : Number(children.split(' ')[0])
  } catch {
    return undefined
  }
}

/** What a machine knows of names: its /etc/hosts and /etc/resolv.conf. */
export interface MachineNames {
  readonly hosts: string
  readonly resolvConf: string
}

/** Turns the machine on; its network namespace and directory exist. Resolves when its first process runs. */
export async function powerOn(node: LocalNode, names: MachineNames): Promise<void> {
  if (firstProcess(node) !== undefined) return
  for (const dir of ['etc-docker', 'etc-stormo', 'stormo', 'cgroup', 'docker'])
    mkdirSync(join(node.dir, dir), { recursive: true })
  writeFileSync(join(node.dir, 'hosts'), names.hosts)
  writeFileSync(join(node.dir, 'resolv.conf'), names.resolvConf)
  const log = openSync(join(node.dir, 'machine.log'), 'a')
  const args = [
    '--net=/run/netns/' + node.netns,
    'unshare',
    '--mount',
    '--uts',
    '--ipc',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '--propagation',
    'private',
    'sh',
    '-c',
    bootScript,
  ]
  const child = spawn('nsenter', args, {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, NODE_NAME: node.name, NODE_DIR: node.dir },
  })
  closeSync(log)
  child.unref()
  const pid = child.pid
  if (pid === undefined) throw new Error(`${node.name}: nsenter could not be started`)
  const waiter = identifyProcess(pid)
  writeFileSync(recordPath(node), JSON.stringify(waiter ?? null))
  for (let attempt = 0; attempt < 200; attempt++) {
    const first = firstProcess(node)
    if (first !== undefined && commandOf(first).includes('tini')) return
    if (!waiter || !isRunning(waiter)) break
    await sleep(25)
  }
  throw new Error(
    `${node.name} did not start: ${readFileSync(join(node.dir, 'machine.log'), 'utf8').trim().split('\n').slice(-3).join(' | ')}`,
  )
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

/** Power-off: SIGKILL to the first process, no hand-over. Resolves when nothing of the machine runs any more. */
export async function powerOff(node: LocalNode): Promise<void> {
  const waiter = waiterOf(node)
  const first = firstProcess(node)
  for (const pid of [first, waiter?.pid]) {
    if (pid === undefined) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself in the meantime.
    }
  }
  for (let attempt = 0; attempt < 400; attempt++) {
    const gone = (pid: number | undefined): boolean => pid === undefined || !existsSync(`/proc/${pid}`)
    if (gone(first) && gone(waiter?.pid)) break
    await sleep(25)
  }
  rmSync(recordPath(node), { force: true })
}

/** The arguments that run a command inside the machine, for `nsenter`. */
export function enterArgs(node: LocalNode, command: readonly string[]): string[] {
  const first = firstProcess(node)
  if (first === undefined) throw new Error(`${node.name} is off: start it with 'stormo cluster start ${node.name}'`)
  return ['-t', String(first), '-m', '-u', '-i', '-n', '-p', '--', ...command]
}

/** What commands inside the machine find in their environment: `stormo` and, for kubectl, the local agent's kubeconfig. */
export function nodeEnvironment(node: LocalNode, stormoBin: string): NodeJS.ProcessEnv {
  const path = process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  return {
    PATH: `${stormoBin}:${path}`,
    HOME: process.env['HOME'] ?? '/root',
    TERM: process.env['TERM'] ?? 'dumb',
    KUBECONFIG: '/etc/stormo/kubeconfig',
    STORMO_NODE_NAME: node.name,
    LANG: process.env['LANG'] ?? 'C.UTF-8',
  }
}

/**
 * Starts a long-running program inside the machine, its output appended to `<dir>/<logName>.log`. Its parent is the
 * machine's first process: an `nsenter` left outside stops with a program that is stopped, is not continued with it, and
 * a machine that it then reaps nothing for cannot end.
 */
export function spawnInside(node: LocalNode, stormoBin: string, logName: string, command: readonly string[]): void {
  const log = openSync(join(node.dir, `${logName}.log`), 'a')
  const child = spawn('nsenter', enterArgs(node, ['setsid', '--fork', ...command]), {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
    env: nodeEnvironment(node, stormoBin),
  })
  closeSync(log)
  child.unref()
}

/** Runs a program inside the machine to its end. */
export function runInside(
  node: LocalNode,
  stormoBin: string,
  command: readonly string[],
  options: { input?: string; timeoutMs?: number; signal?: AbortSignal } = {},
) {
  return exec('nsenter', enterArgs(node, command), { ...options, cwd: '/', env: nodeEnvironment(node, stormoBin) })
}

/** True when a process inside the machine has `needle` as (part of) its command line. */
export async function runsInside(node: LocalNode, needle: RegExp): Promise<boolean> {
  const first = firstProcess(node)
  if (first === undefined) return false
  const output = await execOk(
    'nsenter',
    enterArgs(node, ['sh', '-c', 'for p in /proc/[0-9]*/cmdline; do tr "\\0" " " <$p 2>/dev/null; echo; done']),
  )
  return output.split('\n').some((line) => needle.test(line))
}
