import type { Pod } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Target } from '../registry/options.ts'
import type { Registry } from '../registry/registry.ts'
import { joinChannels } from '../streams/join.ts'
import type { NodeAccess, NodeRequest } from '../streams/node-access.ts'
import { connectOptions } from './connect-options.ts'
import { chooseContainer } from './containers.ts'
import type { Exchange } from './exchange.ts'
import type { Upgrade } from './handler.ts'
import { podLogOptions, serveLog } from './log-handler.ts'
import { servePortForward } from './port-forward-handler.ts'
import { serveProxy } from './proxy-handler.ts'
import { acceptRemoteCommand } from './remote-command.ts'
import { isTrue } from './request-info.ts'

export interface StreamHandlerOptions {
  registry: Registry
  nodeAccess?: NodeAccess
  clock: Clock
  log: Logger
}

/** Serves log, exec, attach, portforward and proxy. Throws StatusError until the connection has been taken over. */
export type StreamHandler = (exchange: Exchange, target: Target, upgrade: Upgrade | undefined) => Promise<void>

/** Subresources that are connections rather than documents. */
export function isStream(subresource: string): boolean {
  return ['log', 'exec', 'attach', 'portforward', 'proxy'].includes(subresource)
}

export function createStreamHandler({ registry, nodeAccess, clock }: StreamHandlerOptions): StreamHandler {
  return async (exchange, target, upgrade) => {
    const nodes = nodeAccess
    if (!nodes) throw errors.unavailable('this server has no connection to the nodes')
    const connection = connectOptions(target, exchange.url.searchParams, exchange.info.tail)
    if (connection) await registry.connect(exchange.context, target, connection)
    if (target.subresource === 'proxy') return serveProxy({ registry, nodes }, exchange, target, upgrade)
    const pod = (await registry.get(exchange.context, { ...target, subresource: '' })) as Pod & KubeObject
    const node = pod.spec?.nodeName
    if (!node) throw errors.badRequest(`pod ${target.name} does not have a host assigned`)
    const { searchParams } = exchange.url
    const about = { namespace: target.namespace, pod: target.name, uid: pod.metadata.uid ?? '' }
    switch (target.subresource) {
      case 'log': {
        const container = chooseContainer(pod, searchParams.get('container') ?? '')
        const options = podLogOptions(searchParams, container)
        return serveLog(nodes, node, { kind: 'log', ...about, options }, exchange, upgrade)
      }
      case 'portforward':
        return servePortForward(nodes, node, about, exchange, upgrade)
      default: {
        const request: NodeRequest = {
          kind: target.subresource === 'attach' ? 'attach' : 'exec',
          ...about,
          container: chooseContainer(pod, searchParams.get('container') ?? ''),
          command: searchParams.getAll('command'),
          stdin: isTrue(searchParams.get('stdin')),
          stdout: isTrue(searchParams.get('stdout')),
          stderr: isTrue(searchParams.get('stderr')),
          tty: isTrue(searchParams.get('tty')),
        }
        if (request.kind === 'exec' && request.command.length === 0)
          throw errors.badRequest('you must specify at least one command for the container')
        if (!request.stdin && !request.stdout && !request.stderr) {
          throw errors.badRequest('you must specify at least 1 of stdin, stdout, stderr')
        }
        if (!upgrade) throw errors.badRequest('Upgrade request required')
        const remote = await nodes.open(node, request, exchange.context.signal)
        try {
          const local = await acceptRemoteCommand(exchange, upgrade, request, clock)
          await joinChannels(local, remote)
        } finally {
          remote.close()
        }
      }
    }
  }
}
