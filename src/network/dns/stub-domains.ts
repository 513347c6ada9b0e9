import { isIP } from 'node:net'
import type { ConfigMap } from '../../api/kinds.ts'
import type { Upstream } from './forwarder.ts'

/** Where users say whom to ask: the ConfigMap that kube-dns and its successors read. */
export const dnsConfigMap = { namespace: 'kube-system', name: 'kube-dns' } as const

const maxDomains = 256
const maxServers = 3
const dnsPort = 53

/** Whom to ask for what is not the cluster's. */
export interface UpstreamPlan {
  /** By domain, in lower case and without a final dot. */
  readonly stubDomains: ReadonlyMap<string, readonly Upstream[]>
  /** In place of the node's own servers, if given. */
  readonly upstreams?: readonly Upstream[]
}

/**
 * Reads `stubDomains` (JSON: domain → list of servers) and `upstreamNameservers` (JSON: list of servers) as
 * https://kubernetes.io/docs/tasks/administer-cluster/dns-custom-nameservers describes them for kube-dns. A server is an
 * address with or without a port: `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:5353`. What cannot be read is left out
 * and named among the problems.
 */
export function readUpstreamPlan(configMap: ConfigMap | undefined): UpstreamPlan & { problems: string[] } {
  const problems: string[] = []
  const stubDomains = new Map<string, readonly Upstream[]>()
  const { data } = configMap ?? {}
  const domains = parsed(data?.['stubDomains'], 'stubDomains', problems) ?? {}
  if (Array.isArray(domains) || typeof domains !== 'object') problems.push('stubDomains: must be an object')
  else {
    for (const [domain, list] of Object.entries(domains).slice(0, maxDomains)) {
      const servers = readServers(list, `stubDomains: ${domain}`, problems)
      if (servers.length > 0) stubDomains.set(domain.toLowerCase().replace(/\.$/, ''), servers)
    }
  }
  const upstreams = readServers(
    parsed(data?.['upstreamNameservers'], 'upstreamNameservers', problems) ?? [],
    'upstreamNameservers',
    problems,
  )
  return { stubDomains, ...(upstreams.length > 0 ? { upstreams } : {}), problems }
}

function parsed(text: string | undefined, field: string, problems: string[]): unknown {
  if (text === undefined || text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    problems.push(`${field}: must be JSON`)
    return undefined
  }
}

function readServers(list: unknown, where: string, problems: string[]): Upstream[] {
  if (!Array.isArray(list)) {
    problems.push(`${where}: must be a list of servers`)
    return []
  }
  const servers = list.flatMap((one) => {
    const server = typeof one === 'string' ? readServer(one) : undefined
    if (!server) problems.push(`${where}: ${JSON.stringify(one)} is no address of a server`)
    return server ? [server] : []
  })
  return servers.slice(0, maxServers)
}

function readServer(text: string): Upstream | undefined {
  const [, bracketed, ipv4, ipv6, port] =
    /^(?:\[([\da-f:.]+)\]|([\d.]+)|([\da-f:]*:[\da-f:.]*))(?:[:#](\d{1,5}))?$/i.exec(text) ?? []
  const address = bracketed ?? ipv4 ?? ipv6 ?? ''
  const number = Number(port ?? dnsPort)
  return isIP(address) === 0 || number < 1 || number > 65_535 ? undefined : { address, port: number }
}

/** The servers of the longest stub domain that holds the name; undefined when none does. */
export function stubServers(plan: UpstreamPlan, name: string): readonly Upstream[] | undefined {
  let rest = name.toLowerCase().replace(/\.$/, '')
  for (;;) {
    const servers = plan.stubDomains.get(rest)
    if (servers) return servers
    const dot = rest.indexOf('.')
    if (dot < 0) return undefined
    rest = rest.slice(dot + 1)
  }
}
