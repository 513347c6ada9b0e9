import { once } from 'node:events'
import { isIP } from 'node:net'
import type { Node, Service, ServiceCIDR } from '../../src/api/kinds.ts'
import { exec } from '../../src/lib/exec.ts'
import { linkLocalAddress } from '../../src/network/pod-network/route-plan.ts'
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
      const made: TunnelRoute[] = []
      // Nothing else keeps the process waiting for its signal.
      const alive = setInterval(() => undefined, 60_000)
      try {
        for (const route of await routesVia(gateway, tunnelRoutes(ranges.items, services.items, nodes.items))) {
          if ('problem' in route) {
            io.err(`${route.destination} is left out: ${route.problem}\n`)
            continue
          }
          await ip('route', 'add', route.destination, ...route.via)
          made.push(route)
          io.out(`${route.destination} leads to ${gateway}\n`)
        }
        if (!io.signal.aborted) await once(io.signal, 'abort')
        return 0
      } finally {
        clearInterval(alive)
        for (const { destination, via } of made) await exec('ip', ['route', 'del', destination, ...via])
      }
    }),
}

/** Destinations that only the nodes know: cluster IPs, external ones, and balancers' that are no node's own address. */
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
  const addresses = outside
    .filter((address) => !own.has(address))
    .map((address) => `${address}/${isIP(address) === 6 ? 128 : 32}`)
  const all = [...ranges.flatMap((range) => range.spec?.cidrs ?? []), ...addresses]
  return [...new Set(all)]
}

interface TunnelRoute {
  readonly destination: string
  /** What `ip route` is told of the way. */
  readonly via: readonly string[]
}

/**
 * A node of both families is the next hop of IPv6 by the link-local address that follows from its IPv4 one; so it has to
 * be on a link of this machine. Its answers come back if this machine has an IPv6 address of that link.
 */
async function routesVia(
  gateway: string,
  destinations: readonly string[],
): Promise<(TunnelRoute | { destination: string; problem: string })[]> {
  const [way] = JSON.parse(await ip('-json', 'route', 'get', gateway)) as { dev: string; gateway?: string }[]
  return destinations.map((destination) => {
    if (!destination.includes(':')) return { destination, via: ['via', gateway] }
    if (!way || way.gateway !== undefined)
      return { destination, problem: `${gateway} is not on a link of this machine, which IPv6 needs` }
    return { destination, via: ['via', linkLocalAddress(gateway), 'dev', way.dev] }
  })
}

async function ip(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await exec('ip', args)
  if (code !== 0) throw new UsageError(`ip ${args.join(' ')}: ${stderr.trim()}`)
  return stdout
}
