import { mkdir } from 'node:fs/promises'
import type { Member } from '../decision/cluster-state.ts'
import { systemClock, systemRandom } from '../lib/system.ts'
import { ownWire } from '../mesh/wire-range.ts'
import { createClusterSecrets } from '../pki/cluster-secrets.ts'
import { saveIdentity, loadIdentity } from '../pki/identity-directory.ts'
import { parseJoinToken } from '../pki/join-token.ts'
import { createNodeIdentity } from '../pki/node-identity.ts'
import { requestJoin } from './join-request.ts'
import { writeKubeconfig } from './kubeconfig-file.ts'
import { defaultClusterConfig, defaultIpv6Ranges, type Membership, saveMembership } from './membership-file.ts'
import { initialiseLog } from './log-files.ts'
import { kubeconfigPath, paths, type SettingName, type Settings } from './settings.ts'

/** How this machine is reached, as the other members are told. */
export function descriptionOf(
  settings: Settings,
  peer: string,
): Pick<Member, 'node' | 'peer' | 'addresses' | 'apiUrl' | 'zone' | 'speaks'> {
  return {
    node: settings.nodeName,
    peer,
    addresses: [`/ip4/${settings.advertiseAddress}/tcp/${settings.meshPort}`],
    apiUrl: `https://${settings.advertiseAddress}:${settings.apiPort}`,
    zone: settings.zone,
    speaks: ownWire,
  }
}

/** What `agent` needs not be told again. */
export const written = (settings: Settings): Partial<Record<SettingName, string>> => ({
  nodeName: settings.nodeName,
  advertiseAddress: settings.advertiseAddress,
  apiPort: String(settings.apiPort),
  meshPort: String(settings.meshPort),
  zone: settings.zone,
  cloudProvider: settings.cloudProvider,
  linkTrust: settings.linkTrust,
  ingressHttpPort: String(settings.ingressHttpPort),
  ingressHttpsPort: String(settings.ingressHttpsPort),
  dockerSocket: settings.dockerSocket,
})

export async function refuseMember(dataDir: string): Promise<void> {
  const identity = await loadIdentity(paths(dataDir).identity)
  if (!identity) return
  throw new Error(
    `this machine is already ${identity.node.nodeName} of cluster "${identity.cluster.clusterName}": run 'stormo agent', or 'stormo leave' first`,
  )
}

/** Makes a cluster of one: its keys, its first member and voter, and an administrator's kubeconfig. Starts nothing. */
export async function initCluster(settings: Settings, clusterName: string): Promise<void> {
  await refuseMember(settings.dataDir)
  const files = paths(settings.dataDir)
  await mkdir(settings.dataDir, { recursive: true, mode: 0o700 })
  const cluster = await createClusterSecrets(clusterName, systemClock.nowMs(), systemRandom)
  const node = await createNodeIdentity(settings.nodeName)
  const config = { ...defaultClusterConfig, ...(settings.ipFamilies === 'dual' ? { ipv6: defaultIpv6Ranges } : {}) }
  const self = await initialiseLog(files.log, descriptionOf(settings, node.peerId), config)
  const membership: Membership = {
    format: 1,
    self,
    config,
    members: [self],
    settings: written(settings),
  }
  await saveMembership(files.member, membership)
  await writeKubeconfig(kubeconfigPath(settings.configDir), cluster, self.apiUrl)
  // The identity comes last: a machine that has one is a member.
  await saveIdentity(files.identity, { cluster, node })
}

/** Asks a cluster to take this machine in, and keeps what it is given. Starts nothing. */
export async function joinCluster(
  settings: Settings,
  tokenText: string,
  bootstrap: readonly string[],
  progress: (line: string) => void,
): Promise<void> {
  const token = parseJoinToken(tokenText)
  await refuseMember(settings.dataDir)
  const files = paths(settings.dataDir)
  const node = await createNodeIdentity(settings.nodeName)
  const answer = await requestJoin(
    token,
    bootstrap.length > 0 ? bootstrap : token.bootstrap,
    descriptionOf(settings, node.peerId),
    progress,
  )
  await mkdir(settings.dataDir, { recursive: true, mode: 0o700 })
  await saveMembership(files.member, {
    format: 1,
    self: answer.self,
    config: answer.config,
    members: answer.members,
    settings: written(settings),
  })
  await writeKubeconfig(kubeconfigPath(settings.configDir), answer.secrets, answer.self.apiUrl)
  await saveIdentity(files.identity, { cluster: answer.secrets, node })
  progress(`${settings.nodeName} is a member of ${answer.secrets.clusterName}; start it with 'stormo agent'`)
}
