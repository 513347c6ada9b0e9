import { existsSync, readFileSync } from 'node:fs'
import type { OutgoingHttpHeaders } from 'node:http'
import { delimiter, dirname, join, resolve } from 'node:path'
import {
  absolutePaths,
  chooseConnection,
  type Connection,
  type Kubeconfig,
  mergeKubeconfigs,
  parseKubeconfig,
} from '../src/client/kubeconfig.ts'
import { createRestClient, type RestClient } from '../src/client/rest-client.ts'
import { parseDurationMs } from '../src/lib/duration.ts'
import { clustersDir, localNodes } from '../src/local/layout.ts'
import { firstProcess } from '../src/local/machine.ts'
import { listClusters } from '../src/local/state.ts'
import { type Invocation, type Io, option, UsageError } from './command.ts'

export { connectionOptions } from './connection-options.ts'

/**
 * The kubeconfigs that apply, the first before the others: those asked for, of the environment, of this node, of the
 * user, of the only local cluster. None where there is none.
 */
export function kubeconfigPaths(invocation: Invocation): string[] {
  const { env } = invocation.io
  const asked = option.text(invocation, 'kubeconfig')
  if (asked !== undefined) return [asked]
  const listed = env['KUBECONFIG']?.split(delimiter).filter((path) => path !== '') ?? []
  if (listed.length > 0) return listed
  const candidates = [nodeKubeconfig(invocation.io), userKubeconfig(invocation.io), ...localKubeconfigs(invocation.io)]
  return candidates.filter((path) => existsSync(path)).slice(0, 1)
}

/** Where a member of a cluster keeps its administrator's. */
export const nodeKubeconfig = ({ env }: Io): string => join(env['STORMO_CONFIG_DIR'] ?? '/etc/stormo', 'kubeconfig')

/** Where kubectl keeps a user's own. */
export const userKubeconfig = ({ env }: Io): string => join(env['HOME'] ?? '/root', '.kube', 'config')

const noCluster =
  "no cluster to talk to: this machine is no member and there is no kubeconfig; try 'stormo cluster up', 'stormo init' or --kubeconfig"

/** Those of {@link kubeconfigPaths} that are there: of a list in the environment some may be missing. */
export function findKubeconfigs(invocation: Invocation): string[] {
  const paths = kubeconfigPaths(invocation)
  if (paths.length === 0) throw new UsageError(noCluster)
  const found = paths.filter((path) => existsSync(path))
  if (found.length === 0 && paths[0] === nodeKubeconfig(invocation.io)) throw new UsageError(noCluster)
  if (found.length === 0) throw new UsageError(`stat ${paths[0]}: no such file or directory`)
  return found
}

/** A kubeconfig as it lies on the disk, its paths made absolute. */
export function readKubeconfig(path: string): Kubeconfig {
  return absolutePaths(parseKubeconfig(readFileSync(path, 'utf8')), dirname(resolve(path)))
}

/** Of the default local cluster, or the only one, the nodes that run. Several others: none, for a guess could hit the wrong one. */
function localKubeconfigs(io: Io): string[] {
  const root = clustersDir(io.env)
  const clusters = listClusters(root)
  const cluster = clusters.find((one) => one.name === 'demo') ?? (clusters.length === 1 ? clusters[0] : undefined)
  if (!cluster) return []
  return localNodes(root, cluster)
    .filter((node) => firstProcess(node) !== undefined)
    .map((node) => join(node.dir, 'etc-stormo', 'kubeconfig'))
}

export function connectionOf(invocation: Invocation): Connection {
  const text = (name: string): string | undefined => option.text(invocation, name)
  const pem = (name: string): string | undefined => {
    const path = text(name)
    return path === undefined ? undefined : readFileSync(path, 'utf8')
  }
  const config = mergeKubeconfigs(findKubeconfigs(invocation).map(readKubeconfig))
  const connection = chooseConnection(config, (file) => readFileSync(file, 'utf8'), {
    context: text('context'),
    cluster: text('cluster'),
    user: text('user'),
  })
  const token = text('token')
  const serverName = text('tlsServerName')
  return {
    ...connection,
    server: text('server') ?? connection.server,
    caPem: pem('certificateAuthority') ?? connection.caPem,
    certPem: pem('clientCertificate') ?? connection.certPem,
    keyPem: pem('clientKey') ?? connection.keyPem,
    insecure: option.flag(invocation, 'insecureSkipTlsVerify') || connection.insecure,
    ...(token === undefined ? {} : { token }),
    ...(serverName === undefined ? {} : { serverName }),
  }
}

/** As whom the request is to be made, in the headers that the API server knows. */
function impersonation(invocation: Invocation): OutgoingHttpHeaders {
  const user = option.text(invocation, 'as')
  const uid = option.text(invocation, 'asUid')
  const groups = option.list(invocation, 'asGroup')
  if (user === undefined && (uid !== undefined || groups.length > 0))
    throw new UsageError('requesting uid, groups or user-extra without impersonating a user')
  return {
    ...(user === undefined ? {} : { 'impersonate-user': user }),
    ...(uid === undefined ? {} : { 'impersonate-uid': uid }),
    ...(groups.length > 0 ? { 'impersonate-group': groups } : {}),
  }
}

/** Longer than any request may take: what `--request-timeout=0` means. */
const neverMs = 2 ** 31 - 1
/** From this level of `-v` on requests are told, as with kubectl. */
const tellRequestsLevel = 6

function requestTimeoutMs(invocation: Invocation): number | undefined {
  const text = option.text(invocation, 'requestTimeout')
  if (text === undefined) return undefined
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : parseDurationMs(text)
  if (ms === undefined)
    throw new UsageError(
      `invalid timeout value "${text}": must be a single integer in seconds, or an integer followed by a corresponding time unit (e.g. 1s | 2m | 3h)`,
    )
  return ms === 0 ? neverMs : ms
}

/** Runs `use` with a client that is closed afterwards. */
export async function withClient<T>(invocation: Invocation, use: (client: RestClient) => Promise<T>): Promise<T> {
  const { io } = invocation
  let warningCount = 0
  const timeoutMs = requestTimeoutMs(invocation)
  const client = createRestClient(connectionOf(invocation), {
    headers: impersonation(invocation),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    onWarning: (text) => {
      warningCount++
      io.err(`Warning: ${text}\n`)
    },
    ...((option.integer(invocation, 'v') ?? 0) >= tellRequestsLevel
      ? { onAnswer: (method, path, code) => io.err(`${method} ${client.connection.server}${path} ${code}\n`) }
      : {}),
  })
  try {
    const result = await use(client)
    if (warningCount > 0 && option.flag(invocation, 'warningsAsErrors'))
      throw new UsageError(`${warningCount} warning${warningCount > 1 ? 's' : ''} received`)
    return result
  } finally {
    client.close()
  }
}
