import { existsSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createHaproxyProcess } from '../ingress/haproxy-process.ts'
import { kubeletRootDir, unnameRootDirectory } from '../kubelet/root-directory.ts'
import type { Clock } from '../lib/clock.ts'
import type { exec } from '../lib/exec.ts'
import { removeNetwork } from '../network/remove.ts'
import { labelKeys } from '../runtime/container-names.ts'
import { endFences } from './fence-process.ts'
import { loadMembership, type Membership } from './membership-file.ts'
import { kubeconfigPath, paths } from './settings.ts'

export interface ResetOptions {
  dataDir: string
  configDir: string
  dockerSocket: string
  exec: typeof exec
  clock: Clock
  progress(line: string): void
}

/**
 * Removes everything that agents made on this machine: containers, proxy, rules, links, mounts and files. The agent must
 * have been stopped; throws when its API still answers. The cluster is not told: that is `leave`.
 */
export async function resetMachine(options: ResetOptions): Promise<void> {
  await refuseRunning(options.dataDir, 'reset')
  await removeAll(options)
}

/** What {@link resetMachine} removes, once the agent has ended. */
export async function removeAll(options: ResetOptions): Promise<void> {
  const { dataDir, progress } = options
  progress('Removing containers…')
  await removeContainers(options)
  await endFences(paths(dataDir).fence, options.clock)
  progress('Removing network and proxy…')
  await createHaproxyProcess({ ...options, dir: paths(dataDir).ingress }).remove()
  await removeNetwork(options.exec)
  progress('Removing files…')
  await unmountBelow(options, dataDir)
  await unnameRootDirectory(paths(dataDir).kubelet, kubeletRootDir)
  // The directory itself may be a mount; what is in it goes.
  for (const entry of existsSync(dataDir) ? await readdir(dataDir) : [])
    await rm(join(dataDir, entry), { recursive: true, force: true })
  await rm(kubeconfigPath(options.configDir), { force: true })
}

/** Throws while the agent of this machine answers. */
export async function refuseRunning(dataDir: string, verb: string): Promise<void> {
  const membership = await loadMembership(paths(dataDir).member).catch(() => undefined)
  const place = membership && (await agentAnswers(membership))
  if (place !== undefined)
    throw new Error(`the agent of this machine runs (${place} answers): stop it first, then ${verb}`)
}

/** Where the agent's API answers; undefined when it does not. */
export async function agentAnswers({ settings }: Pick<Membership, 'settings'>): Promise<string | undefined> {
  const port = Number(settings.apiPort ?? 6443)
  // The agent may live in a network of its own: then it answers at the address that it tells others.
  for (const host of new Set(['127.0.0.1', settings.advertiseAddress ?? '127.0.0.1']))
    if (await answers(host, port)) return `${host}:${port}`
  return undefined
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 })
    const end = (result: boolean): void => {
      socket.destroy()
      resolve(result)
    }
    socket.on('connect', () => end(true))
    socket.on('timeout', () => end(false))
    socket.on('error', () => end(false))
  })
}

async function removeContainers({ exec, dockerSocket, progress }: ResetOptions): Promise<void> {
  const docker = (...args: string[]) =>
    exec('docker', ['--host', `unix://${dockerSocket}`, ...args], { timeoutMs: 120_000 })
  const listed = await docker('ps', '--all', '--quiet', '--filter', `label=${labelKeys.managed}=true`).catch(
    () => undefined,
  )
  if (listed?.code !== 0) return progress('The container runtime does not answer: its containers are left.')
  const ids = listed.stdout.split('\n').filter(Boolean)
  if (ids.length > 0) await docker('rm', '--force', '--volumes', ...ids)
}

/** Deepest first: memory-backed volumes and what pods had mounted into them. */
async function unmountBelow({ exec }: Pick<ResetOptions, 'exec'>, dir: string): Promise<void> {
  const points = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => (line.split(' ')[1] ?? '').replaceAll('\\040', ' '))
    .filter((point) => point.startsWith(`${dir}/`))
  for (const point of points.toSorted((a, b) => b.length - a.length)) await exec('umount', ['--lazy', point])
}
