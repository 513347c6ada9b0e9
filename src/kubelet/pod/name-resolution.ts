import type { Pod } from '../../api/kinds.ts'

/** Linux' limit of a host name. */
const maxHostnameLength = 63

export interface PodHostname {
  readonly hostname: string
  /** `host.subdomain.ns.svc.domain`, '' without a subdomain. */
  readonly fqdn: string
}

/** Name of the pod's machine as its processes see it (upstream GeneratePodHostNameAndDomain). */
export function podHostname(pod: Pod, clusterDomain: string, nodeHostname: string): PodHostname {
  const { spec, metadata } = pod
  if (spec?.hostnameOverride) return { hostname: spec.hostnameOverride, fqdn: '' }
  const short = (spec?.hostname || metadata.name || '').slice(0, maxHostnameLength).replace(/[-.]+$/, '')
  const fqdn = spec?.subdomain ? `${short}.${spec.subdomain}.${metadata.namespace}.svc.${clusterDomain}` : ''
  if (spec?.hostNetwork) return { hostname: nodeHostname, fqdn: '' }
  if (spec?.setHostnameAsFQDN && fqdn !== '') {
    if (fqdn.length > maxHostnameLength + 1) {
      throw new Error(
        `failed to construct FQDN from pod hostname and cluster domain, FQDN ${fqdn} is too long (${maxHostnameLength + 1} characters is the max, ${fqdn.length} characters requested)`,
      )
    }
    return { hostname: fqdn, fqdn }
  }
  return { hostname: short, fqdn }
}

/** Content of the pod's /etc/hosts. */
export function etcHosts(pod: Pod, name: PodHostname, podIps: readonly string[], nodeHosts: string): string {
  const aliases = (pod.spec?.hostAliases ?? []).map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}`)
  const aliasText = aliases.length === 0 ? '' : `\n# Entries added by HostAliases.\n${aliases.join('\n')}\n`
  if (pod.spec?.hostNetwork) return `# Kubernetes-managed hosts file (host network).\n${nodeHosts}${aliasText}`
  const short = name.hostname.split('.')[0] ?? name.hostname
  const own = podIps.map((ip) => (name.fqdn === '' ? `${ip}\t${name.hostname}` : `${ip}\t${name.fqdn}\t${short}`))
  return [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...own,
    aliasText,
  ].join('\n')
}

export interface ResolverConfig {
  readonly nameservers: readonly string[]
  readonly searches: readonly string[]
  readonly options: readonly string[]
}

/** Limits of upstream's validation: more are cut off. */
const limits = { nameservers: 3, searches: 32, searchCharacters: 2048 }

/** Reads a resolv.conf(5). */
export function parseResolvConf(text: string): ResolverConfig {
  const nameservers: string[] = []
  let searches: string[] = []
  let options: string[] = []
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.trim().split(/\s+/)
    if (keyword === 'nameserver' && values[0] !== undefined) nameservers.push(values[0])
    if (keyword === 'search') searches = values
    if (keyword === 'options') options = values
  }
  return { nameservers, searches, options }
}

export function formatResolvConf(config: ResolverConfig): string {
  const lines = config.nameservers.map((server) => `nameserver ${server}`)
  if (config.searches.length > 0) lines.push(`search ${config.searches.join(' ')}`)
  if (config.options.length > 0) lines.push(`options ${config.options.join(' ')}`)
  return `${lines.join('\n')}\n`
}

/** What a pod's resolver is told, by dnsPolicy and dnsConfig. */
export function podResolver(
  pod: Pod,
  cluster: { dns: readonly string[]; domain: string },
  node: ResolverConfig,
): ResolverConfig {
  const { dnsConfig, hostNetwork } = pod.spec ?? {}
  const policy = pod.spec?.dnsPolicy ?? 'ClusterFirst'
  const useCluster = policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !hostNetwork)
  const base: ResolverConfig =
    policy === 'None'
      ? { nameservers: [], searches: [], options: [] }
      : useCluster && cluster.dns.length > 0
        ? {
            nameservers: cluster.dns,
            searches: [
              `${pod.metadata.namespace}.svc.${cluster.domain}`,
              `svc.${cluster.domain}`,
              cluster.domain,
              ...node.searches,
            ],
            options: ['ndots:5'],
          }
        : node
  const options = new Map(base.options.map((text) => [text.split(':')[0] ?? text, text]))
  for (const { name = '', value } of dnsConfig?.options ?? []) {
    options.set(name, value === undefined || value === '' ? name : `${name}:${value}`)
  }
  return {
    nameservers: unique([...base.nameservers, ...(dnsConfig?.nameservers ?? [])]).slice(0, limits.nameservers),
    searches: fitting(unique([...base.searches, ...(dnsConfig?.searches ?? [])]).slice(0, limits.searches)),
    options: [...options.values()],
  }
}

const unique = (values: readonly string[]): string[] => [...new Set(values)]

function fitting(searches: readonly string[]): string[] {
  let characters = 0
  return searches.filter((one) => (characters += one.length + 1) <= limits.searchCharacters + 1)
}
