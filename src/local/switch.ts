import { existsSync } from 'node:fs'
import { exec, execOk } from '../lib/exec.ts'
import {
  hostAddress,
  hostAddress6,
  hostLink,
  subnetCidr,
  switchAddress,
  switchNetns,
  type LocalCluster,
  type LocalNode,
} from './layout.ts'

/**
 * The isolated switch that the machines of a local cluster hang on: a bridge in a network namespace of its own (on the
 * host, Docker's FORWARD policy would cut the machines apart), with one port for this host so that it can reach them.
 */
export async function createSwitch(cluster: LocalCluster): Promise<void> {
  const netns = switchNetns(cluster)
  await execOk('ip', ['netns', 'add', netns])
  await ipBatch(netns, [
    'link set lo up',
    'link add br0 type bridge',
    'link set br0 up',
    `addr add ${switchAddress(cluster)}/24 dev br0`,
  ])
  const link = hostLink(cluster)
  await execOk('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'uplink', 'netns', netns])
  await ipBatch(netns, ['link set dev uplink master br0 up'])
  await ipBatch(undefined, [
    `addr add ${hostAddress(cluster)}/24 dev ${link}`,
    ...(cluster.isDualStack ? [`addr add ${hostAddress6(cluster)}/64 dev ${link} nodad`] : []),
    `link set ${link} up`,
  ])
  if (cluster.uplink) await enableUplink(cluster)
}

/** Makes the machine's network namespace and plugs it into the switch. */
export async function plugIn(cluster: LocalCluster, node: LocalNode): Promise<void> {
  await execOk('ip', ['netns', 'add', node.netns])
  const netns = switchNetns(cluster)
  await execOk('ip', [
    'link',
    'add',
    node.switchPort,
    'netns',
    netns,
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    node.netns,
  ])
  await ipBatch(netns, [`link set ${node.switchPort} master br0 up`])
  await ipBatch(node.netns, [
    'link set lo up',
    `addr add ${node.address}/24 dev eth0`,
    ...(cluster.isDualStack ? [`addr add ${node.address6}/64 dev eth0 nodad`] : []),
    'link set eth0 up',
    // Without --uplink nothing may leave, and must fail at once instead of waiting for an answer.
    cluster.uplink ? `route add default via ${hostAddress(cluster)}` : 'route add unreachable default',
  ])
  // Before dockerd starts, else it sets the FORWARD policy to DROP.
  await execOk('ip', ['netns', 'exec', node.netns, 'sysctl', '-qw', 'net.ipv4.ip_forward=1'])
}

/** Pulls the machine's cable, or plugs it in again. */
export async function setLink(cluster: LocalCluster, node: LocalNode, up: boolean): Promise<void> {
  await ipBatch(switchNetns(cluster), [`link set ${node.switchPort} ${up ? 'up' : 'down'}`])
}

/** Removes every namespace and link of the cluster that is there; what is not there does not matter. */
export async function removeSwitch(cluster: LocalCluster, nodes: readonly LocalNode[]): Promise<void> {
  for (const netns of [...nodes.map((node) => node.netns), switchNetns(cluster)]) {
    if (existsSync(`/run/netns/${netns}`)) await exec('ip', ['netns', 'del', netns])
  }
  await exec('ip', ['link', 'del', hostLink(cluster)])
  await exec('nft', ['delete', 'table', 'ip', uplinkTable(cluster)])
}

const uplinkTable = (cluster: LocalCluster): string => `stormo-uplink-${cluster.subnet}`

async function enableUplink(cluster: LocalCluster): Promise<void> {
  await execOk('sysctl', ['-qw', 'net.ipv4.ip_forward=1'])
  const table = uplinkTable(cluster)
  const rules = `table ip ${table} {
  chain out { type nat hook postrouting priority srcnat; ip saddr ${subnetCidr(cluster)} ip daddr != ${subnetCidr(cluster)} masquerade; }
  chain through { type filter hook forward priority filter - 1; iifname "${hostLink(cluster)}" accept; oifname "${hostLink(cluster)}" accept; }
}`
  await execOk('nft', ['-f', '-'], { input: rules })
}

/** Several `ip` commands in one process, in a network namespace or (undefined) on the host. */
async function ipBatch(netns: string | undefined, lines: readonly string[]): Promise<void> {
  await execOk('ip', [...(netns ? ['-n', netns] : []), '-batch', '-'], { input: lines.join('\n') + '\n' })
}
