import { existsSync, readFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Node } from '../../src/api/kinds.ts'
import { isStatus, StatusError } from '../../src/api/status-error.ts'
import { createRestClient, type RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, option, UsageError } from '../command.ts'
import { connectionOptions, findKubeconfigs, nodeKubeconfig, withClient } from '../connection.ts'
import { keptAlive } from '../kept-alive.ts'
import { notifyReady } from '../service-manager.ts'
import { placeOptions, settingOptions, settingsOf } from '../setting-options.ts'
import { printTable } from '../printers/table.ts'
import { humanDuration } from '../../src/lib/duration.ts'
import { durationMs } from '../durations.ts'

export const initCommand: CommandDefinition = {
  name: 'init',
  summary: 'Make a cluster with this machine as its first member',
  options: [{ flags: '--cluster-name <name>', summary: 'name of the cluster', default: 'stormo' }, ...placeOptions],
  async run(invocation) {
    const { initCluster } = await import('../../src/agent/init.ts')
    const settings = settingsOf(invocation)
    await initCluster(settings, option.text(invocation, 'clusterName') ?? 'stormo')
    invocation.io.err(
      `Cluster made. Start this machine with 'stormo agent', then 'stormo token create' lets others join.\n`,
    )
  },
}

export const joinCommand: CommandDefinition = {
  name: 'join',
  arguments: '<token>',
  summary: 'Make this machine a member of the cluster that the token is for',
  options: [
    {
      flags: '--bootstrap <multiaddr>',
      summary: 'member to ask, for example /ip4/192.0.2.7/tcp/6443 (default: those in the token)',
      repeatable: true,
    },
    ...placeOptions,
  ],
  async run(invocation) {
    const { joinCluster } = await import('../../src/agent/init.ts')
    const [token = ''] = invocation.args
    await joinCluster(settingsOf(invocation), token, option.list(invocation, 'bootstrap'), (line) =>
      invocation.io.err(`${line}\n`),
    )
  },
}

export const agentCommand: CommandDefinition = {
  name: 'agent',
  summary: 'Run the agent in the foreground',
  options: [...placeOptions, ...settingOptions('logLevel')],
  async run(invocation) {
    const { runAgent } = await import('../../src/agent/agent.ts')
    const { env, signal } = invocation.io
    await runAgent(
      (written) => settingsOf(invocation, written),
      signal,
      () => {
        // Not only at its end, which may come by a signal: a start with it is faster, and needs no parser of types (30 MB).
        flushCompileCache()
        return notifyReady(env)
      },
    )
  },
}

/**
 * Has `node` let go, by a member that stays where there is one: who leaves may not hear that it was let go, because
 * from then on nobody sends it the log. Its Node object goes with it.
 */
async function tellMembers(client: RestClient, node: string): Promise<void> {
  const { items } = await client.json<{ items: Node[] }>({ path: '/api/v1/nodes' })
  const servers = items
    .filter((one) => one.metadata.name !== node)
    .flatMap((one) => one.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? [])
    .map((address) => {
      const url = new URL(client.connection.server)
      url.hostname = address.includes(':') ? `[${address}]` : address
      return url.href
    })
  let failure: unknown
  for (const server of [...servers, client.connection.server]) {
    const member = createRestClient({ ...client.connection, server })
    try {
      await member.send({ method: 'DELETE', path: '/stormo/v1/members', query: { node } })
      await member.send({ method: 'DELETE', path: `/api/v1/nodes/${node}` }).catch((error: unknown) => {
        if (!isStatus(error, 'NotFound')) throw error
      })
      return
    } catch (error) {
      failure ??= error
      // A member that answered has said why; the next is asked only for one that could not be reached.
      if (error instanceof StatusError && error.reason !== 'Timeout') throw error
    } finally {
      member.close()
    }
  }
  throw failure
}

export const leaveCommand: CommandDefinition = {
  name: 'leave',
  summary: 'Take this machine out of its cluster and remove its state',
  options: [
    ...connectionOptions,
    ...settingOptions('dataDir', 'configDir', 'dockerSocket'),
    { flags: '--force', summary: 'remove the state even if the cluster cannot be told' },
  ],
  async run(invocation) {
    const [{ leaveCluster }, { exec }, { systemClock }] = await Promise.all([
      import('../../src/agent/leave.ts'),
      import('../../src/lib/exec.ts'),
      import('../../src/lib/system.ts'),
    ])
    const { io } = invocation
    const force = option.flag(invocation, 'force')
    const options: Parameters<typeof leaveCluster>[0] = {
      ...settingsOf(invocation),
      exec,
      clock: systemClock,
      sleep: (ms) => sleep(ms, undefined, { signal: io.signal }),
      progress: (line) => io.err(`${line}\n`),
      async tell(node) {
        try {
          await withClient(invocation, (client) => tellMembers(client, node))
        } catch (error) {
          if (!force)
            throw new UsageError(
              `the cluster could not be told: ${error instanceof Error ? error.message : String(error)}; --force removes this machine's state all the same`,
            )
        }
      },
    }
    await keptAlive(() => leaveCluster(options))
    io.err('This machine has left its cluster, and nothing of the agent is left on it.\n')
  },
}

const tokenCreateCommand: CommandDefinition = {
  name: 'create',
  summary: 'Print a token with which other machines join',
  options: [
    ...connectionOptions,
    { flags: '--ttl <duration>', summary: 'how long it is good for', default: '24h' },
    { flags: '--uses <count>', summary: 'how many machines may use it; 0: any number', default: 1, integer: true },
  ],
  async run(invocation) {
    const body = { ttlMs: durationMs(invocation, 'ttl'), uses: option.integer(invocation, 'uses') ?? 1 }
    const { token } = await withClient(invocation, (client) =>
      client.json<{ token: string }>({ method: 'POST', path: '/stormo/v1/tokens', body }),
    )
    invocation.io.out(`${token}\n`)
  },
}

const tokenListCommand: CommandDefinition = {
  name: 'list',
  summary: 'List the tokens that are good',
  options: connectionOptions,
  async run(invocation) {
    const { tokens } = await withClient(invocation, (client) =>
      client.json<{ tokens: { id: string; expiresMs: number; usesLeft: number | null }[] }>({
        path: '/stormo/v1/tokens',
      }),
    )
    const good = tokens.filter(({ expiresMs, usesLeft }) => expiresMs > Date.now() && usesLeft !== 0)
    const rows = good.map((token) => [
      token.id,
      humanDuration(token.expiresMs - Date.now()),
      token.usesLeft === null ? 'any' : String(token.usesLeft),
    ])
    invocation.io.out(printTable(['ID', 'EXPIRES IN', 'USES LEFT'], rows))
  },
}

const tokenDeleteCommand: CommandDefinition = {
  name: 'delete',
  arguments: '<id>',
  summary: 'Revoke a token',
  options: connectionOptions,
  async run(invocation) {
    const [id = ''] = invocation.args
    await withClient(invocation, (client) =>
      client.send({ method: 'DELETE', path: '/stormo/v1/tokens', query: { id } }),
    )
    invocation.io.out(`token ${id} revoked\n`)
  },
}

export const tokenCommand: CommandDefinition = {
  name: 'token',
  summary: 'Tokens with which machines join',
  commands: [tokenCreateCommand, tokenListCommand, tokenDeleteCommand],
}

export const statusCommand: CommandDefinition = {
  name: 'status',
  summary: 'Members, leader and term, and how far each replica lags, as this node sees them',
  options: [...connectionOptions, { flags: '-o, --output <format>', summary: 'json' }],
  async run(invocation) {
    const { printStatus } = await import('../printers/status.ts')
    const status = await withClient(invocation, (client) =>
      client.json<Parameters<typeof printStatus>[0]>({ path: '/stormo/v1/status', timeoutMs: 10_000 }),
    )
    invocation.io.out(printStatus(status, option.text(invocation, 'output')))
  },
}

export const kubeconfigCommand: CommandDefinition = {
  name: 'kubeconfig',
  summary: "Print this node's kubeconfig, for kubectl and other clients",
  options: connectionOptions,
  async run(invocation) {
    const own = nodeKubeconfig(invocation.io)
    const path = existsSync(own) ? own : findKubeconfigs(invocation)[0]!
    const text = readFileSync(path, 'utf8')
    // `stormo kubeconfig > ~/.kube/config` empties that file before it is read, on a machine that is no member.
    if (text.trim() === '') throw new UsageError(`${path} is empty: run this on a machine that is a member`)
    invocation.io.out(text)
  },
}
