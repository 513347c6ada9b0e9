import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Connection, connectionFromKubeconfig } from '../src/client/kubeconfig.ts'
import { createRestClient, type RestClient } from '../src/client/rest-client.ts'
import { clustersDir, localNodes } from '../src/local/layout.ts'
import { firstProcess } from '../src/local/machine.ts'
import { listClusters } from '../src/local/state.ts'
import { type Invocation, type Io, option, UsageError } from './command.ts'

export { connectionOptions } from './connection-options.ts'

/** The kubeconfig that applies: asked for, of the environment, of this node, of the user, of the only local cluster. */
export function findKubeconfig(invocation: Invocation): string {
  const { env } = invocation.io
  const asked = option.text(invocation, 'kubeconfig') ?? env['KUBECONFIG']?.split(':').find((path) => path !== '')
  if (asked !== undefined) {
    if (!existsSync(asked)) throw new UsageError(`kubeconfig ${asked} is not there`)
    return asked
  }
  const candidates = [
    join(env['STORMO_CONFIG_DIR'] ?? '/etc/stormo', 'kubeconfig'),
    join(env['HOME'] ?? '/root', '.kube', 'config'),
    ...localKubeconfigs(invocation.io),
  ]
  const found = candidates.find((path) => existsSync(path))
  if (found === undefined)
    throw new UsageError(
      "no cluster to talk to: this machine is no member and there is no kubeconfig; try 'stormo cluster up', 'stormo init' or --kubeconfig",
    )
  return found
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
  const path = findKubeconfig(invocation)
  const connection = connectionFromKubeconfig(readFileSync(path, 'utf8'), (file) => readFileSync(file, 'utf8'), {
    context: option.text(invocation, 'context'),
  })
  return { ...connection, server: option.text(invocation, 'server') ?? connection.server }
}

/** Runs `use` with a client that is closed afterwards. */
export async function withClient<T>(invocation: Invocation, use: (client: RestClient) => Promise<T>): Promise<T> {
  const client = createRestClient(connectionOf(invocation), {
    onWarning: (text) => invocation.io.err(`Warning: ${text}\n`),
  })
  try {
    return await use(client)
  } finally {
    client.close()
  }
}
