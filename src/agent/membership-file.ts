import { readFile } from 'node:fs/promises'
import type { Member } from '../decision/cluster-state.ts'
import { sameOffset } from '../lib/ip-address.ts'
import { writeFileAtomically } from '../pki/identity-directory.ts'
import type { SettingName } from './settings.ts'

/** Address ranges and names that every member of a cluster must agree on; chosen by `init`. */
export interface ClusterConfig {
  podCidr: string
  serviceCidr: string
  kubernetesIp: string
  dnsIp: string
  clusterDomain: string
  /** Ranges of IPv6, where pods and services have such addresses too: each node, pod and service by its place in the others. */
  ipv6?: { podCidr: string; serviceCidr: string }
}

export const defaultClusterConfig: ClusterConfig = {
  podCidr: '10.244.0.0/16',
  serviceCidr: '10.96.0.0/16',
  kubernetesIp: '10.96.0.1',
  dnsIp: '10.96.0.10',
  clusterDomain: 'cluster.local',
}

/** Of unique local addresses (RFC 4193): a /64 for each node, as many service addresses as there are of IPv4. */
export const defaultIpv6Ranges = { podCidr: 'fd00:10:244::/56', serviceCidr: 'fd00:10:96::/112' } as const

/** The addresses of DNS inside the cluster, one for each family. */
export function dnsAddresses({ dnsIp, serviceCidr, ipv6 }: ClusterConfig): string[] {
  const second = ipv6 && sameOffset(dnsIp, serviceCidr, ipv6.serviceCidr)
  return second === undefined ? [dnsIp] : [dnsIp, second]
}

/** What `init` or `join` wrote: who this machine is in the cluster, and whom to call first. */
export interface Membership {
  format: 1
  self: Member
  config: ClusterConfig
  /** Members as known when it joined; the decision log knows better once it is reached. */
  members: Member[]
  /** Settings given to `init` or `join`, so that `stormo agent` needs none. */
  settings: Partial<Record<SettingName, string>>
}

export async function loadMembership(path: string): Promise<Membership | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const membership = JSON.parse(text) as Membership
  if (membership.format !== 1)
    throw new Error(
      `${path}: format ${String(membership.format)} is of a newer release of stormo; upgrade this machine`,
    )
  return membership
}

export const saveMembership = (path: string, membership: Membership): Promise<void> =>
  writeFileAtomically(path, `${JSON.stringify(membership, null, 2)}\n`)
