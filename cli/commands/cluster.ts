import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  binDir,
  cut,
  down,
  heal,
  nodeStatus,
  selectNodes,
  start,
  stop,
  up,
  type ClusterStatus,
  type LocalSettings,
} from '../../src/local/cluster.ts'
import { localNodes, maxNodes, type LocalCluster, type LocalNode } from '../../src/local/layout.ts'
import { enterArgs, firstProcess, nodeEnvironment } from '../../src/local/machine.ts'
import { ensurePrerequisites } from '../../src/local/prerequisites.ts'
import { listClusters, loadCluster } from '../../src/local/state.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { runProgram } from '../run-program.ts'
import { settingOptions, settingsOf } from '../setting-options.ts'
import { checkedName, clusterOfNode, localSettings, namedCluster } from '../local-settings.ts'
import { printStatus } from '../printers/status.ts'
import { printTable } from '../printers/table.ts'

const nameOption = { flags: '--name <name>', summary: 'name of the local cluster', default: 'demo' }
const nodeOption = { flags: '--node <node>', summary: 'which node, for example demo-2' }

const upCommand: CommandDefinition = {
  name: 'up',
  summary: 'Start a cluster of machines on this machine and wait until every node is Ready',
  options: [
    { flags: '--nodes <count>', summary: 'number of machines', default: 3, integer: true },
    nameOption,
    { flags: '--uplink', summary: 'let the machines reach the outside through this one' },
    ...settingOptions('linkTrust', 'ipFamilies', 'cloudProvider'),
  ],
  async run(invocation) {
    const settings = localSettings(invocation.io)
    const name = checkedName(invocation)
    const nodeCount = option.integer(invocation, 'nodes') ?? 3
    if (nodeCount < 1 || nodeCount > maxNodes)
      throw new UsageError(`--nodes ${nodeCount}: must be between 1 and ${maxNodes}`)
    if (loadCluster(settings.root, name))
      throw new UsageError(
        `there is already a local cluster "${name}": remove it with 'stormo cluster down --name ${name}'`,
      )
    await ensurePrerequisites(settings.progress)
    const cluster = await up(settings, {
      name,
      nodeCount,
      uplink: option.flag(invocation, 'uplink'),
      isDualStack: settingsOf(invocation).ipFamilies === 'dual',
      agentArgs: agentArgs(invocation),
    })
    settings.progress(
      `Cluster "${name}" is up: ${localNodes(settings.root, cluster)
        .map((node) => `${node.name} (${node.address})`)
        .join(', ')}`,
    )
  },
}

/** What `init` and `join` on each machine are told of what was told here. */
function agentArgs(invocation: Invocation): string[] {
  const { linkTrust, ipFamilies, cloudProvider } = settingsOf(invocation)
  return ['--link-trust', linkTrust, '--ip-families', ipFamilies, '--cloud-provider', cloudProvider]
}

const prepareCommand: CommandDefinition = {
  name: 'prepare',
  summary: 'See to everything that local clusters need of this machine, and say what is missing',
  async run(invocation) {
    await ensurePrerequisites(localSettings(invocation.io).progress)
  },
}

const downCommand: CommandDefinition = {
  name: 'down',
  summary: 'Remove a local cluster: processes, namespaces, links, mounts, cgroups and files',
  options: [nameOption],
  async run(invocation) {
    const settings = localSettings(invocation.io)
    const cluster = namedCluster(invocation, settings)
    await down(settings, cluster)
    settings.progress(`Cluster "${cluster.name}" is gone.`)
  },
}

const listCommand: CommandDefinition = {
  name: 'list',
  summary: 'List the local clusters',
  async run(invocation) {
    const settings = localSettings(invocation.io)
    const rows = listClusters(settings.root).map((cluster) => {
      const nodes = localNodes(settings.root, cluster)
      const running = nodes.filter((node) => firstProcess(node) !== undefined).length
      return [cluster.name, `${running}/${nodes.length}`, `10.200.${cluster.subnet}.0/24`]
    })
    invocation.io.out(printTable(['NAME', 'RUNNING', 'SUBNET'], rows))
  },
}

const kubeconfigCommand: CommandDefinition = {
  name: 'kubeconfig',
  summary: 'Print a kubeconfig that works from this host',
  options: [nameOption, nodeOption],
  async run(invocation) {
    const settings = localSettings(invocation.io)
    const node = nodesOf(invocation, settings).nodes[0]!
    const config = readFileSync(join(node.dir, 'etc-stormo', 'kubeconfig'), 'utf8')
    invocation.io.out(config.replace(/server: https:\/\/[^:\s]+:/, `server: https://${node.address}:`))
  },
}

const sshCommand: CommandDefinition = {
  name: 'ssh',
  arguments: '<node> [command...]',
  summary: 'Run a command, or a shell, on a node',
  options: [nameOption],
  takesRest: true,
  async run(invocation) {
    const settings = localSettings(invocation.io)
    const [name, ...words] = invocation.args
    const command = [...words, ...invocation.rest]
    const cluster = clusterOfNode(invocation, settings, name)
    const node = selectNodes(settings, cluster, name)[0]!
    // No login shell: /etc/profile sets a PATH of its own, without `stormo`.
    const env = nodeEnvironment(node, binDir(settings, cluster))
    return await runProgram('nsenter', enterArgs(node, command.length > 0 ? command : ['bash']), env, '/')
  },
}

/** The cluster that `--node` or `--name` tell, and of its nodes the one that is named, or all. */
function nodesOf(invocation: Invocation, settings: LocalSettings): { cluster: LocalCluster; nodes: LocalNode[] } {
  const node = option.text(invocation, 'node')
  const cluster = clusterOfNode(invocation, settings, node)
  return { cluster, nodes: selectNodes(settings, cluster, node) }
}

function powerCommand(
  name: string,
  summary: string,
  needsNode: boolean,
  act: (settings: LocalSettings, cluster: LocalCluster, nodes: LocalNode[]) => Promise<void>,
): CommandDefinition {
  return {
    name,
    arguments: needsNode ? '<node>' : '[node]',
    summary,
    options: [nameOption],
    async run(invocation) {
      const settings = localSettings(invocation.io)
      const [node] = invocation.args
      const cluster = clusterOfNode(invocation, settings, node)
      await act(settings, cluster, selectNodes(settings, cluster, node))
    },
  }
}

const statusCommand: CommandDefinition = {
  name: 'status',
  summary: 'Members, leader and term, and how far each replica lags, as one node sees them',
  options: [nameOption, nodeOption, { flags: '-o, --output <format>', summary: 'json' }],
  async run(invocation) {
    const settings = localSettings(invocation.io)
    const { cluster, nodes } = nodesOf(invocation, settings)
    const status = await firstStatus(settings, cluster, nodes)
    if (!status)
      throw new UsageError(
        `no node of cluster "${cluster.name}" answers: see 'stormo cluster list', and start it with 'stormo cluster start'`,
      )
    invocation.io.out(printStatus(status, option.text(invocation, 'output')))
  },
}

async function firstStatus(
  settings: LocalSettings,
  cluster: LocalCluster,
  nodes: readonly LocalNode[],
): Promise<ClusterStatus | undefined> {
  for (const node of nodes) {
    const status = await nodeStatus(settings, cluster, node)
    if (status) return status
  }
  return undefined
}

export const clusterCommand: CommandDefinition = {
  name: 'cluster',
  summary: 'Clusters of several machines on this machine',
  examples: `Examples:
  stormo cluster up --nodes 3
  stormo cluster ssh demo-2 -- stormo get pods -A
  stormo cluster cut demo-3
  stormo cluster down`,
  commands: [
    upCommand,
    prepareCommand,
    downCommand,
    listCommand,
    statusCommand,
    kubeconfigCommand,
    sshCommand,
    powerCommand(
      'stop',
      'Power off a node (or all): SIGKILL to its first process, no hand-over',
      false,
      (_settings, _cluster, nodes) => stop(nodes),
    ),
    powerCommand(
      'start',
      'Power on a node (or all) with its disk as it was; starts what has ended on a running one',
      false,
      start,
    ),
    powerCommand('cut', "Pull a node's network cable", true, (_settings, cluster, nodes) => cut(cluster, nodes)),
    powerCommand('heal', "Plug a node's network cable in again", true, (_settings, cluster, nodes) =>
      heal(cluster, nodes),
    ),
  ],
}
