import { once } from 'node:events'
import type { Node, Service, ServiceCIDR } from '../../src/api/kinds.ts'
import { exec } from '../../src/lib/exec.ts'
import { readyAddress } from './service.ts'
import { type CommandDefinition, UsageError } from '../command.ts'
import { connectionOptions, withClient } from '../connection.ts'

export const tunnelCommand: CommandDefinition = {
  name: 'tunnel',
  summary: "Route the cluster's service addresses from this machine to a node, until interrupted (as root)",
  options: connectionOptions,
  examples: `Examples:
  stormo tunnel & curl http://$(stormo get service web -o jsonpath='{.spec.clusterIP}')`,
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const { io } = invocation
      const nodes = await client.json<{ items: Node[] }>({ path: '/api/v1/nodes' })
      const ranges = await client.json<{ items: ServiceCIDR[] }>({ path: '/apis/networking.k8s.io/v1/servicecidrs' })
      const services = await client.json<{ items: Service[] }>({ path: '/api/v1/services' })
      const gateway = readyAddress(nodes.items)
      const made: string[] = []
      // Nothing else keeps the process waiting for its signal.
      const alive = setInterval(() => undefined, 60_000)
      try {
        for (const destination of tunnelRoutes(ranges.items, services.items, nodes.items)) {
          await ip('add', destination, 'via', gateway)
          made.push(destination)
          io.out(`${destination} leads to ${gateway}\n`)
        }
        if (!io.signal.aborted) await once(io.signal, 'abort')
        return 0
      } finally {
        clearInterval(alive)
        for (const destination of made) await exec('ip', ['route', 'del', destination, 'via', gateway])
      }
    }),
}

/** IPv4 destinations that only the nodes know: cluster IPs, external ones, and balancers' that are no node's own address. */
export function tunnelRoutes(
  ranges: readonly ServiceCIDR[],
  services: readonly Service[],
  nodes: readonly Node[],
): string[] {
  const own = new Set(nodes.flatMap((node) => (node.status?.addresses ?? []).map((one) => one.address)))
  const outside = services.flatMap(({ spec, status }) => [
    ...(spec?.externalIPs ?? []),
    ...(status?.loadBalancer?.ingress ?? []).flatMap((one) => (one.ip ? [one.ip] : [])),
  ])
  const addresses = outside.filter((address) => !own.has(address)).map((address) => `${address}/32`)
  const all = [...ranges.flatMap((range) => range.spec?.cidrs ?? []), ...addresses]
  return [...new Set(all)].filter((destination) => !destination.includes(':'))
}

async function ip(...args: string[]): Promise<void> {
  const { code, stderr } = await exec('ip', ['route', ...args])
  if (code !== 0) throw new UsageError(`ip route ${args.join(' ')}: ${stderr.trim()}`)
}
