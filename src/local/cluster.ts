import { existsSync, readFileSync, symlinkSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exec } from '../lib/exec.ts'
import { clusterDir, localNode, localNodes, type LocalCluster, type LocalNode } from './layout.ts'
import { firstProcess, type MachineNames, powerOff, powerOn, runInside, runsInside, spawnInside } from './machine.ts'
import { createClusterState, removeClusterState } from './state.ts'
import { createSwitch, plugIn, removeSwitch, setLink } from './switch.ts'

/** What the verbs of a local cluster need to know of this checkout. */
export interface LocalSettings {
  /** Directory of all clusters. */
  readonly root: string
  /** The launcher script. */
  readonly launcher: string
  progress(line: string): void
  /** Ends what waits: an `up` that is interrupted takes away what it has made so far. */
  readonly signal?: AbortSignal
}

/** As `stormo status -o json` prints it. */
export interface ClusterStatus {
  leader: string | null
  term: number
  nodes: {
    name: string
    ready: boolean
    voter: boolean
    term: number
    lagMs: number | null
    /** Absent from an older agent's answer. */
    replica?: {
      documents: number
      appliedIndex: number
      sinceSyncMs: number | null
      diskBytes: number
      /** Why its disk takes no writes. Absent from an older agent's answer. */
      diskFault?: string | null
    } | null
  }[]
  /** Members that do not replicate with each other, and what to do. Absent from an older agent's answer. */
  refusals?: string[]
}

const readyTimeoutMs = 120_000
/** More voters than this make no cluster safer, only slower (architecture §5). */
const maxVoters = 7

const pause = ({ signal }: LocalSettings, ms: number): Promise<void> => sleep(ms, undefined, signal ? { signal } : {})

const binDir = (settings: LocalSettings, cluster: LocalCluster): string =>
  join(clusterDir(settings.root, cluster.name), 'bin')

/** Makes the machines, starts their daemons and agents, joins them, and waits until all are Ready and, up to seven, voters. */
export async function up(
  settings: LocalSettings,
  wanted: Omit<LocalCluster, 'subnet'> & { agentArgs: readonly string[] },
): Promise<LocalCluster> {
  const { agentArgs, ...shape } = wanted
  const cluster = createClusterState(settings.root, shape)
  const nodes = localNodes(settings.root, cluster)
  try {
    mkdirSync(binDir(settings, cluster), { recursive: true })
    symlinkSync(settings.launcher, join(binDir(settings, cluster), 'stormo'))
    settings.progress(`Starting ${nodes.length} machines…`)
    await createSwitch(cluster)
    for (const node of nodes) {
      settings.signal?.throwIfAborted()
      await plugIn(cluster, node)
    }
    const names = namesFor(cluster, nodes)
    await allSettled(nodes.map((node) => powerOn(node, names)))
    await allSettled(nodes.map((node) => startDocker(settings, cluster, node)))
    await initFirst(settings, cluster, nodes[0]!, agentArgs)
    if (nodes.length > 1) await joinOthers(settings, cluster, nodes, agentArgs)
    settings.progress('Waiting until every node is Ready…')
    await waitForCluster(settings, cluster, nodes)
    return cluster
  } catch (error) {
    const isInterrupted = settings.signal?.aborted ?? false
    if (isInterrupted) settings.progress('Interrupted: removing what was made…')
    await down(settings, cluster, isInterrupted ? {} : { keepLogs: `/tmp/stormo-${cluster.name}-failed-up` })
    throw error
  }
}

/** Waits for all, also when one has failed: what still runs could otherwise make anew what is being removed. */
async function allSettled(tasks: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(tasks)).find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

const namesFor = (cluster: LocalCluster, nodes: readonly LocalNode[]): MachineNames => ({
  hosts: ['127.0.0.1 localhost', '::1 localhost', ...nodes.map((node) => `${node.address} ${node.name}`), ''].join(
    '\n',
  ),
  resolvConf: cluster.uplink ? resolversOfHost() : '',
})

/** systemd's own resolver listens where only this host reaches it; those that it asks are in the second file. */
const resolverFiles = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf']

/** Whom a machine that has a way out asks for names. */
function resolversOfHost(): string {
  const texts = resolverFiles.filter((path) => existsSync(path)).map((path) => readFileSync(path, 'utf8'))
  const reachable = texts.map((text) => text.split('\n').filter((line) => !/^\s*nameserver\s+(127\.|::1)/.test(line)))
  const found = reachable.find((lines) => lines.some((line) => /^\s*nameserver/.test(line)))
  return found === undefined ? '' : found.join('\n')
}

async function initFirst(
  settings: LocalSettings,
  cluster: LocalCluster,
  first: LocalNode,
  agentArgs: readonly string[],
): Promise<void> {
  settings.progress(`Making the cluster on ${first.name}…`)
  await stormoInside(settings, cluster, first, [
    'init',
    '--cluster-name',
    cluster.name,
    '--node-name',
    first.name,
    '--advertise-address',
    first.address,
    ...agentArgs,
  ])
  await startAgent(settings, cluster, first)
}

async function joinOthers(
  settings: LocalSettings,
  cluster: LocalCluster,
  nodes: readonly LocalNode[],
  agentArgs: readonly string[],
): Promise<void> {
  const [first, ...others] = nodes as [LocalNode, ...LocalNode[]]
  const token = (
    await stormoInside(settings, cluster, first, ['token', 'create', '--uses', String(others.length), '--ttl', '10m'])
  ).trim()
  settings.progress(`Joining ${others.map((node) => node.name).join(', ')}…`)
  for (const node of others) {
    await stormoInside(settings, cluster, node, [
      'join',
      token,
      '--node-name',
      node.name,
      '--advertise-address',
      node.address,
      ...agentArgs,
    ])
    spawnAgent(settings, cluster, node)
  }
  await allSettled(others.map((node) => waitForAgent(settings, cluster, node)))
}

/** Runs our own command line inside a machine; an exit code other than 0 is an error with what it said. */
async function stormoInside(
  settings: LocalSettings,
  cluster: LocalCluster,
  node: LocalNode,
  args: readonly string[],
): Promise<string> {
  const { signal } = settings
  const result = await runInside(node, binDir(settings, cluster), ['stormo', ...args], signal ? { signal } : {})
  if (result.code !== 0)
    throw new Error(`${node.name}: stormo ${args[0]} failed: ${result.stderr.trim()}${logTail(node, 'agent')}`)
  return result.stdout
}

function logTail(node: LocalNode, log: string): string {
  try {
    const lines = readFileSync(join(node.dir, `${log}.log`), 'utf8')
      .trim()
      .split('\n')
      .slice(-4)
    return `\n  last lines of ${log}.log:\n    ${lines.join('\n    ')}`
  } catch {
    return ''
  }
}

async function startDocker(settings: LocalSettings, cluster: LocalCluster, node: LocalNode): Promise<void> {
  if (await runsInside(node, /^\S*dockerd /)) return
  spawnInside(node, binDir(settings, cluster), 'dockerd', [
    'dockerd',
    '--data-root', join(node.dir, 'docker'),
    '--host', 'unix:///run/docker.sock',
    '--bridge=none',
    '--userland-proxy=false',
    '--live-restore',
    '--exec-opt', 'native.cgroupdriver=cgroupfs',
    '--cgroup-parent', `/${node.cgroup}`,
    '--shutdown-timeout', '2',
  ]) // prettier-ignore
  const socket = join('/proc', String(firstProcess(node)), 'root/run/docker.sock')
  for (let attempt = 0; attempt < 600; attempt++) {
    if (existsSync(socket) && (await exec('docker', ['--host', `unix://${socket}`, 'version'])).code === 0) return
    await pause(settings, 100)
  }
  throw new Error(`${node.name}: dockerd does not answer${logTail(node, 'dockerd')}`)
}

function spawnAgent(settings: LocalSettings, cluster: LocalCluster, node: LocalNode): void {
  spawnInside(node, binDir(settings, cluster), 'agent', ['stormo', 'agent'])
}

async function startAgent(settings: LocalSettings, cluster: LocalCluster, node: LocalNode): Promise<void> {
  if (!(await runsInside(node, agentProcess))) spawnAgent(settings, cluster, node)
  await waitForAgent(settings, cluster, node)
}

const agentProcess = /(main\.[tj]s|stormo) agent/

/** Waits until the node's agent answers; fails at once when its process has ended. */
async function waitForAgent(settings: LocalSettings, cluster: LocalCluster, node: LocalNode): Promise<void> {
  const deadline = Date.now() + readyTimeoutMs
  await pause(settings, 300)
  while (Date.now() < deadline) {
    const status = await nodeStatus(settings, cluster, node)
    if (status) return
    if (!(await runsInside(node, agentProcess)))
      throw new Error(`${node.name}: the agent ended${logTail(node, 'agent')}`)
    await pause(settings, 200)
  }
  throw new Error(`${node.name}: the agent does not answer${logTail(node, 'agent')}`)
}

/** The cluster as one node sees it, or undefined when that node does not answer. */
export async function nodeStatus(
  settings: LocalSettings,
  cluster: LocalCluster,
  node: LocalNode,
): Promise<ClusterStatus | undefined> {
  if (firstProcess(node) === undefined) return undefined
  const result = await runInside(node, binDir(settings, cluster), ['stormo', 'status', '-o', 'json'], {
    timeoutMs: 15_000,
  }).catch(() => undefined)
  if (result?.code !== 0) return undefined
  return JSON.parse(result.stdout) as ClusterStatus
}

async function waitForCluster(
  settings: LocalSettings,
  cluster: LocalCluster,
  nodes: readonly LocalNode[],
): Promise<void> {
  const deadline = Date.now() + readyTimeoutMs
  const voters = Math.min(nodes.length, maxVoters)
  let status: ClusterStatus | undefined
  while (Date.now() < deadline) {
    status = await nodeStatus(settings, cluster, nodes[0]!)
    const seen = status?.nodes ?? []
    if (
      status?.leader &&
      seen.filter((node) => node.ready).length === nodes.length &&
      seen.filter((node) => node.voter).length >= voters
    )
      return
    await pause(settings, 250)
  }
  throw new Error(
    `after ${readyTimeoutMs / 1000} s not every node is Ready: ${JSON.stringify(status ?? null)}${logTail(nodes[0]!, 'agent')}`,
  )
}

/** Removes the cluster whole: processes, namespaces, links, mounts, cgroups, files. Also mends what a broken `up` left. */
export async function down(
  settings: LocalSettings,
  cluster: LocalCluster,
  options: { keepLogs?: string } = {},
): Promise<void> {
  const nodes = localNodes(settings.root, cluster)
  await Promise.all(nodes.map((node) => powerOff(node)))
  await removeSwitch(cluster, nodes)
  for (const node of nodes) removeCgroups(node.cgroup)
  if (options.keepLogs) {
    await exec('mkdir', ['-p', options.keepLogs])
    for (const node of nodes) {
      for (const log of ['machine', 'dockerd', 'agent'])
        await exec('cp', [join(node.dir, `${log}.log`), join(options.keepLogs, `${node.name}-${log}.log`)])
    }
    settings.progress(`Logs are kept in ${options.keepLogs}`)
  }
  removeClusterState(settings.root, cluster)
}

/** A cgroup is removed leaf first by rmdir; with version 1 each controller has a tree of its own. */
function removeCgroups(name: string): void {
  const base = '/sys/fs/cgroup'
  const roots = [join(base, name), ...readdirSync(base).map((controller) => join(base, controller, name))]
  for (const root of roots) removeCgroupTree(root)
}

function removeCgroupTree(dir: string): void {
  if (!existsSync(dir)) return
  for (const entry of readdirSync(dir, { withFileTypes: true }))
    if (entry.isDirectory()) removeCgroupTree(join(dir, entry.name))
  try {
    rmdirSync(dir)
  } catch {
    // Still holds a process that is on its way out; an empty cgroup costs nothing and the next `down` takes it.
  }
}

/** The nodes that a verb is about: the named one, or all. */
export function selectNodes(settings: LocalSettings, cluster: LocalCluster, name: string | undefined): LocalNode[] {
  if (name === undefined) return localNodes(settings.root, cluster)
  const index = /^\d+$/.test(name)
    ? Number(name)
    : localNodes(settings.root, cluster).findIndex((node) => node.name === name) + 1
  if (index < 1 || index > cluster.nodeCount)
    throw new Error(
      `cluster "${cluster.name}" has no node "${name}": its nodes are ${cluster.name}-1 to ${cluster.name}-${cluster.nodeCount}`,
    )
  return [localNode(settings.root, cluster, index)]
}

/** Power off, as by pulling the plug. */
export async function stop(nodes: readonly LocalNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => powerOff(node)))
}

/** Power on with the disk as it was; on a machine that runs, whatever of dockerd and agent has ended is started again. */
export async function start(
  settings: LocalSettings,
  cluster: LocalCluster,
  nodes: readonly LocalNode[],
): Promise<void> {
  const names = namesFor(cluster, localNodes(settings.root, cluster))
  settings.progress(`Starting ${nodes.map(({ name }) => name).join(', ')}…`)
  await Promise.all(
    nodes.map(async (node) => {
      await powerOn(node, names)
      await startDocker(settings, cluster, node)
      await startAgent(settings, cluster, node)
    }),
  )
}

export async function cut(cluster: LocalCluster, nodes: readonly LocalNode[]): Promise<void> {
  for (const node of nodes) await setLink(cluster, node, false)
}

export async function heal(cluster: LocalCluster, nodes: readonly LocalNode[]): Promise<void> {
  for (const node of nodes) await setLink(cluster, node, true)
}

/** Path of the node's Docker socket as this host sees it. */
export function dockerSocket(node: LocalNode): string {
  const first = firstProcess(node)
  if (first === undefined) throw new Error(`${node.name} is off: start it with 'stormo cluster start ${node.name}'`)
  return `/proc/${first}/root/run/docker.sock`
}

export { binDir }
