import { isIP } from 'node:net'

/** A subject alternative name of a certificate. */
export interface AlternativeName {
  type: 'dns' | 'ip'
  value: string
}

/** The names by which pods reach the API (service default/kubernetes), for a cluster domain. */
function serviceNames(clusterDomain: string): string[] {
  return ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', `kubernetes.default.svc.${clusterDomain}`]
}

/**
 * Everything that a node's API server may be called: its own name, its addresses, the in-cluster service and the
 * machine itself. `addresses` are IPs or DNS names, in any mix; doubles are dropped.
 */
export function serverNames(options: {
  nodeName: string
  addresses: readonly string[]
  clusterDomain?: string
  serviceIp?: string
}): AlternativeName[] {
  const all = [
    ...serviceNames(options.clusterDomain ?? 'cluster.local'),
    options.nodeName,
    'localhost',
    options.serviceIp ?? '10.96.0.1',
    '127.0.0.1',
    '::1',
    ...options.addresses,
  ]
  return [...new Set(all.map((name) => name.toLowerCase()))].map((value) => ({
    type: isIP(value) ? 'ip' : 'dns',
    value,
  }))
}
