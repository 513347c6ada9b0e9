import { Resolver } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { connect, type NetConnectOpts } from 'node:net'
import type { Member } from '../../decision/cluster-state.ts'
import type { Clock } from '../../lib/clock.ts'
import type { exec } from '../../lib/exec.ts'
import { gatewayOf } from '../../network/pod-network/pod-network.ts'
import type { ClusterConfig } from '../membership-file.ts'
import { examinedPrograms, type NodeFacts, type PeerFacts } from './checks.ts'

export interface FactsOptions {
  node: string
  nodeIp: string
  config: ClusterConfig
  dockerSocket: string
  /** Bridge of the pods. */
  bridge: string
  members(): readonly Member[]
  /** A peer's clock, asked over the mesh. */
  clockOf(peer: string): Promise<number>
  exec: typeof exec
  clock: Clock
}

const connectTimeoutMs = 2_000
const commandTimeoutMs = 5_000
const dnsPort = 53

/** Looks at this machine, and tries the way to each peer: its mesh, its API, its pods. */
export async function gatherFacts(options: FactsOptions): Promise<NodeFacts> {
  const { node, nodeIp, config, bridge } = options
  const [programs, nftables, ipForward, bridgeNetfilter, links, runtime, dns, peers] = await Promise.all([
    Promise.all(examinedPrograms.map(async (name) => [name, await hasProgram(options, name)] as const)),
    said(options, 'nft', ['list', 'tables']),
    setting('net/ipv4/ip_forward'),
    setting('net/bridge/bridge-nf-call-iptables'),
    listLinks(options),
    tryConnect({ path: options.dockerSocket }),
    resolves(config),
    Promise.all(
      options
        .members()
        .filter((member) => member.node !== node)
        .map((member) => peerFacts(options, member)),
    ),
  ])
  return {
    node,
    programs: Object.fromEntries(programs),
    nftables,
    ipForward,
    bridgeNetfilter,
    linkMtu: links.find((link) => link.addr_info?.some((one) => one.local === nodeIp))?.mtu,
    podMtu: links.find((link) => link.ifname === bridge)?.mtu,
    runtime,
    dns,
    peers,
  }
}

async function peerFacts({ clock, clockOf }: FactsOptions, member: Member): Promise<PeerFacts> {
  const { hostname: address, port } = new URL(member.apiUrl)
  const begunMs = clock.monotonicMs()
  const [theirs, api, pods] = await Promise.all([
    clockOf(member.peer).then(
      (nowMs) => {
        const roundTripMs = clock.monotonicMs() - begunMs
        return { mesh: '', roundTripMs, clockOffsetMs: nowMs - (clock.nowMs() - roundTripMs / 2) }
      },
      (error: unknown) => ({ mesh: error instanceof Error ? error.message : String(error) }),
    ),
    tryConnect({ host: address, port: Number(port || 443) }),
    // The gateway of its pods, where its DNS listens: what reaches it reaches its pods.
    tryConnect({ host: gatewayOf(member.podCidr), port: dnsPort }),
  ])
  return { node: member.node, address, api, pods, ...theirs }
}

/** '' when something takes the connection, else why not. */
function tryConnect(where: NetConnectOpts): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ ...where, timeout: connectTimeoutMs } as NetConnectOpts)
    const end = (problem: string): void => {
      socket.destroy()
      resolve(problem)
    }
    socket.on('connect', () => end(''))
    socket.on('timeout', () => end(`no answer within ${connectTimeoutMs / 1000} s`))
    socket.on('error', (error) => end(error.message))
  })
}

async function resolves({ dnsIp, kubernetesIp, clusterDomain }: ClusterConfig): Promise<string> {
  const resolver = new Resolver({ timeout: connectTimeoutMs, tries: 1 })
  resolver.setServers([dnsIp])
  try {
    const found = await resolver.resolve4(`kubernetes.default.svc.${clusterDomain}`)
    return found.includes(kubernetesIp) ? '' : `kubernetes.default is ${found.join(', ')} instead of ${kubernetesIp}`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const setting = (path: string): Promise<string | undefined> =>
  readFile(`/proc/sys/${path}`, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  )

async function said(options: FactsOptions, command: string, args: readonly string[]): Promise<string> {
  try {
    const { code, stderr } = await options.exec(command, args, { timeoutMs: commandTimeoutMs })
    return code === 0 ? '' : stderr.trim().split('\n')[0] || `exit code ${code}`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const hasProgram = async (options: FactsOptions, name: string): Promise<boolean> =>
  (await said(options, 'sh', ['-c', `PATH="$PATH:/usr/sbin:/sbin" command -v ${name}`])) === ''

interface Link {
  ifname: string
  mtu: number
  addr_info?: { local?: string }[]
}

async function listLinks(options: FactsOptions): Promise<Link[]> {
  try {
    const { code, stdout } = await options.exec('ip', ['-j', 'addr', 'show'], { timeoutMs: commandTimeoutMs })
    return code === 0 ? (JSON.parse(stdout) as Link[]) : []
  } catch {
    return []
  }
}
