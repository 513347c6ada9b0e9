import { hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'

/** Of the machine's own agent. */
export const defaultDataDir = '/var/lib/stormo'

/** One setting: its flag, its environment variable, its default and what it means, in one place. */
export interface SettingDefinition {
  flags: string
  env: string
  summary: string
  default?: string
}

/** What an agent can be told. Flags beat the environment, which beats what `init` or `join` wrote, which beats defaults. */
export const settingDefinitions = {
  dataDir: {
    flags: '--data-dir <dir>',
    env: 'STORMO_DATA_DIR',
    summary: 'where the agent keeps its state',
    default: defaultDataDir,
  },
  configDir: {
    flags: '--config-dir <dir>',
    env: 'STORMO_CONFIG_DIR',
    summary: 'where the kubeconfig is written',
    default: '/etc/stormo',
  },
  nodeName: {
    flags: '--node-name <name>',
    env: 'STORMO_NODE_NAME',
    summary: "name of this machine's Node (default: the host name)",
  },
  advertiseAddress: {
    flags: '--advertise-address <ip>',
    env: 'STORMO_ADVERTISE_ADDRESS',
    summary: 'address at which other machines reach this one (default: the first that is not loopback)',
  },
  apiPort: {
    flags: '--api-port <port>',
    env: 'STORMO_API_PORT',
    summary: 'port of the Kubernetes API',
    default: '6443',
  },
  meshPort: {
    flags: '--mesh-port <port>',
    env: 'STORMO_MESH_PORT',
    summary: 'port of the mesh between agents',
    default: '7946',
  },
  ingressHttpPort: {
    flags: '--ingress-http-port <port>',
    env: 'STORMO_INGRESS_HTTP_PORT',
    summary: 'port at which Ingresses are served without TLS',
    default: '80',
  },
  ingressHttpsPort: {
    flags: '--ingress-https-port <port>',
    env: 'STORMO_INGRESS_HTTPS_PORT',
    summary: 'port at which Ingresses are served with TLS',
    default: '443',
  },
  zone: {
    flags: '--zone <zone>',
    env: 'STORMO_ZONE',
    summary: 'failure domain (topology.kubernetes.io/zone); voters are spread over them',
    default: '',
  },
  ipFamilies: {
    flags: '--ip-families <families>',
    env: 'STORMO_IP_FAMILIES',
    summary: 'ipv4, or dual for pods and services that have IPv6 addresses too; decided when a cluster is made',
    default: 'ipv4',
  },
  cloudProvider: {
    flags: '--cloud-provider <kind>',
    env: 'STORMO_CLOUD_PROVIDER',
    summary: 'mesh, or external for a node that takes pods only after a provider of yours has initialised it',
    default: 'mesh',
  },
  linkTrust: {
    flags: '--link-trust <trust>',
    env: 'STORMO_LINK_TRUST',
    summary:
      'trusted or untrusted: what passes the link between pods is encrypted when either end does not trust its own',
    default: 'trusted',
  },
  dockerSocket: {
    flags: '--docker-socket <path>',
    env: 'STORMO_DOCKER_SOCKET',
    summary: "Docker Engine's socket (also Podman's)",
    default: '/run/docker.sock',
  },
  auditPolicyFile: {
    flags: '--audit-policy-file <file>',
    env: 'STORMO_AUDIT_POLICY_FILE',
    summary: 'audit.k8s.io/v1 Policy: what is written into the audit log (default: nothing)',
    default: '',
  },
  auditLogPath: {
    flags: '--audit-log-path <file>',
    env: 'STORMO_AUDIT_LOG_PATH',
    summary: 'where the audit log is written (default: audit/audit.log in the data directory)',
    default: '',
  },
  auditLogMaxSizeMb: {
    flags: '--audit-log-maxsize <megabytes>',
    env: 'STORMO_AUDIT_LOG_MAXSIZE',
    summary: 'size at which the audit log is put aside and a new one begun',
    default: '100',
  },
  auditLogMaxBackups: {
    flags: '--audit-log-maxbackup <count>',
    env: 'STORMO_AUDIT_LOG_MAXBACKUP',
    summary: 'audit logs put aside that are kept',
    default: '10',
  },
  auditLogMaxAgeDays: {
    flags: '--audit-log-maxage <days>',
    env: 'STORMO_AUDIT_LOG_MAXAGE',
    summary: 'days for which audit logs put aside are kept; 0: until there are too many',
    default: '0',
  },
  logLevel: {
    flags: '--log-level <level>',
    env: 'STORMO_LOG_LEVEL',
    summary: 'debug, info, warn or error',
    default: 'info',
  },
} as const satisfies Record<string, SettingDefinition>

export type SettingName = keyof typeof settingDefinitions

export interface Settings {
  dataDir: string
  configDir: string
  nodeName: string
  advertiseAddress: string
  apiPort: number
  meshPort: number
  ingressHttpPort: number
  ingressHttpsPort: number
  zone: string
  ipFamilies: 'ipv4' | 'dual'
  cloudProvider: 'mesh' | 'external'
  linkTrust: 'trusted' | 'untrusted'
  dockerSocket: string
  auditPolicyFile: string
  auditLogPath: string
  auditLogMaxSizeMb: number
  auditLogMaxBackups: number
  auditLogMaxAgeDays: number
  logLevel: string
}

/** A setting that cannot be used; the message names the flag, the value and what is wanted. */
export class SettingError extends Error {
  override name = 'SettingError'
}

type Given = Partial<Record<SettingName, string>>

/** Normalises once, at the start. `written` is what `init` or `join` decided on this machine. */
export function readSettings(flags: Given, env: NodeJS.ProcessEnv, written: Given = {}): Settings {
  const text = (name: SettingName): string => {
    const definition: SettingDefinition = settingDefinitions[name]
    return flags[name] ?? env[definition.env] ?? written[name] ?? definition.default ?? ''
  }
  return {
    dataDir: text('dataDir'),
    configDir: text('configDir'),
    nodeName: checkedNodeName(text('nodeName') || hostname().toLowerCase()),
    advertiseAddress: checkedAddress(text('advertiseAddress') || firstAddress()),
    apiPort: checkedPort('apiPort', text('apiPort')),
    meshPort: checkedPort('meshPort', text('meshPort')),
    ingressHttpPort: checkedPort('ingressHttpPort', text('ingressHttpPort')),
    ingressHttpsPort: checkedPort('ingressHttpsPort', text('ingressHttpsPort')),
    zone: text('zone'),
    ipFamilies: checkedFamilies(text('ipFamilies')),
    cloudProvider: checkedCloud(text('cloudProvider')),
    linkTrust: checkedTrust(text('linkTrust')),
    dockerSocket: text('dockerSocket'),
    auditPolicyFile: text('auditPolicyFile'),
    auditLogPath: text('auditLogPath'),
    auditLogMaxSizeMb: checkedCount('auditLogMaxSizeMb', text('auditLogMaxSizeMb'), 1),
    auditLogMaxBackups: checkedCount('auditLogMaxBackups', text('auditLogMaxBackups'), 0),
    auditLogMaxAgeDays: checkedCount('auditLogMaxAgeDays', text('auditLogMaxAgeDays'), 0),
    logLevel: checkedLevel(text('logLevel')),
  }
}

function checkedNodeName(name: string): string {
  if (name.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)) return name
  throw new SettingError(
    `--node-name ${JSON.stringify(name)}: must be a lower case DNS name of letters, digits, '-' and '.'`,
  )
}

function checkedAddress(address: string): string {
  const parts = address.split('.')
  if (parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255)) return address
  throw new SettingError(`--advertise-address ${JSON.stringify(address)}: must be an IPv4 address of this machine`)
}

function checkedPort(name: SettingName, text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port
  throw new SettingError(`${settingDefinitions[name].flags.split(' ')[0]} ${text}: must be a port between 1 and 65535`)
}

function checkedFamilies(families: string): 'ipv4' | 'dual' {
  if (families === 'ipv4' || families === 'dual') return families
  throw new SettingError(`--ip-families ${families}: must be ipv4 or dual`)
}

function checkedCloud(kind: string): 'mesh' | 'external' {
  if (kind === 'mesh' || kind === 'external') return kind
  throw new SettingError(`--cloud-provider ${kind}: must be mesh or external`)
}

function checkedTrust(trust: string): 'trusted' | 'untrusted' {
  if (trust === 'trusted' || trust === 'untrusted') return trust
  throw new SettingError(`--link-trust ${trust}: must be trusted or untrusted`)
}

function checkedCount(name: SettingName, text: string, least: number): number {
  const count = Number(text)
  if (/^\d{1,6}$/.test(text) && count >= least) return count
  throw new SettingError(`${settingDefinitions[name].flags.split(' ')[0]} ${text}: must be a number from ${least}`)
}

function checkedLevel(level: string): string {
  if (['debug', 'info', 'warn', 'error'].includes(level)) return level
  throw new SettingError(`--log-level ${level}: must be debug, info, warn or error`)
}

function firstAddress(): string {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (/^(docker|br-|veth|stormo)/.test(name)) continue
    const found = addresses?.find((one) => one.family === 'IPv4' && !one.internal)
    if (found) return found.address
  }
  throw new SettingError('no network interface has an IPv4 address: give one with --advertise-address')
}

/** Paths below the data directory. */
export const paths = (dataDir: string) => ({
  identity: join(dataDir, 'identity'),
  member: join(dataDir, 'member.json'),
  store: join(dataDir, 'store'),
  log: join(dataDir, 'log'),
  kubelet: join(dataDir, 'kubelet'),
  fence: join(dataDir, 'fence'),
  ingress: join(dataDir, 'ingress'),
  auditLog: join(dataDir, 'audit', 'audit.log'),
  linkKey: join(dataDir, 'network', 'wireguard.key'),
})

export const kubeconfigPath = (configDir: string): string => join(configDir, 'kubeconfig')
