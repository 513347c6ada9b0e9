import type { Node, Service } from '../../src/api/kinds.ts'
import { localNodes } from '../../src/local/layout.ts'
import { selectNodes } from '../../src/local/cluster.ts'
import { loadMembership } from '../../src/agent/membership-file.ts'
import { paths } from '../../src/agent/settings.ts'
import { loadCluster } from '../../src/local/state.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { connectionOptions, withClient } from '../connection.ts'
import { clusterOfNode, localSettings } from '../local-settings.ts'
import { printTable } from '../printers/table.ts'
import { settingOptions, settingsOf } from '../setting-options.ts'
import { namespaceOf, namespaceOptions } from '../targets.ts'

/** Where a service answers from outside: each node port, or what a load balancer gave it. */
export function serviceUrls(service: Service, nodeAddress: string, scheme = 'http'): string[] {
  const ingress = service.status?.loadBalancer?.ingress?.[0]
  const balancer = ingress?.ip ?? ingress?.hostname
  return (service.spec?.ports ?? []).flatMap((port) => {
    if (balancer) return [`${scheme}://${balancer}:${port.port}`]
    return port.nodePort ? [`${scheme}://${nodeAddress}:${port.nodePort}`] : []
  })
}

/** InternalIP of the first node that is Ready, else of the first. */
export function readyAddress(nodes: readonly Node[]): string {
  const isReady = (node: Node): boolean =>
    node.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false
  const node = nodes.find(isReady) ?? nodes[0]
  const address = node?.status?.addresses?.find((one) => one.type === 'InternalIP')?.address
  if (!address) throw new UsageError('no node has an address yet')
  return address
}

export const serviceCommand: CommandDefinition = {
  name: 'service',
  aliases: ['svc'],
  arguments: '<name>',
  summary: 'Where services answer from outside the cluster; `list` for all',
  options: [
    ...namespaceOptions,
    { flags: '-A, --all-namespaces', summary: 'with list: of all namespaces' },
    { flags: '--url', summary: 'print only the addresses' },
    { flags: '--https', summary: 'as https addresses' },
  ],
  examples: `Examples:
  stormo service list
  curl $(stormo service hello --url)`,
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const [name = ''] = invocation.args
      const scheme = option.flag(invocation, 'https') ? 'https' : 'http'
      const nodes = await client.json<{ items: Node[] }>({ path: '/api/v1/nodes' })
      const address = readyAddress(nodes.items)
      const namespace = namespaceOf(invocation, client)
      const header = ['NAMESPACE', 'NAME', 'TARGET PORT', 'URL']
      const row = (service: Service): string[] => [
        service.metadata.namespace ?? '',
        service.metadata.name ?? '',
        (service.spec?.ports ?? []).map((port) => `${port.name ? `${port.name}/` : ''}${port.port}`).join(','),
        serviceUrls(service, address, scheme).join(',') || 'No node port',
      ]
      if (name === 'list') {
        const asked = option.text(invocation, 'namespace')
        const path = asked === undefined ? '/api/v1/services' : `/api/v1/namespaces/${asked}/services`
        const { items } = await client.json<{ items: Service[] }>({ path })
        invocation.io.out(printTable(header, items.map(row)))
        return 0
      }
      const service = await client.json<Service>({
        path: `/api/v1/namespaces/${namespace}/services/${encodeURIComponent(name)}`,
      })
      const urls = serviceUrls(service, address, scheme)
      if (urls.length === 0)
        throw new UsageError(
          `service ${namespace}/${name} has no node port: it answers inside the cluster only, or through 'stormo port-forward'`,
        )
      invocation.io.out(
        option.flag(invocation, 'url') ? urls.map((url) => `${url}\n`).join('') : printTable(header, [row(service)]),
      )
      return 0
    }),
}

export const ipCommand: CommandDefinition = {
  name: 'ip',
  arguments: '[node]',
  summary:
    'Address of a node of a local cluster (default: its first); on a machine that is a node: of its cluster (default: its own)',
  options: [
    { flags: '--name <name>', summary: 'name of the local cluster', default: 'demo' },
    ...connectionOptions,
    ...settingOptions('dataDir'),
  ],
  async run(invocation) {
    const settings = localSettings(invocation.io)
    const [node] = invocation.args
    const membership = await loadMembership(paths(settingsOf(invocation).dataDir).member)
    if (membership && !loadCluster(settings.root, option.text(invocation, 'name') ?? 'demo')) {
      const address = node === undefined ? membership.settings.advertiseAddress : await addressOfNode(invocation, node)
      invocation.io.out(`${address}\n`)
      return
    }
    const cluster = clusterOfNode(invocation, settings, node)
    const [chosen] = node === undefined ? localNodes(settings.root, cluster) : selectNodes(settings, cluster, node)
    invocation.io.out(`${chosen!.address}\n`)
  },
}

const addressOfNode = (invocation: Invocation, name: string): Promise<string> =>
  withClient(invocation, async (client) =>
    readyAddress([await client.json<Node>({ path: `/api/v1/nodes/${encodeURIComponent(name)}` })]),
  )
