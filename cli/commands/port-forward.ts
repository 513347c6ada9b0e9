import { once } from 'node:events'
import type { Pod, Service } from '../../src/api/kinds.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { pathOf } from '../discovery.ts'
import { podOf, podPath, podsBehind } from '../pods.ts'
import { type ForwardedPort, listenForward, parseForward } from '../port-forward.ts'
import { namespaceOf, namespaceOptions, objectTarget } from '../targets.ts'

export const portForwardCommand: CommandDefinition = {
  name: 'port-forward',
  arguments: '<pod-or-type/name> <ports...>',
  summary: "Bring a pod's ports to this machine",
  options: [
    ...namespaceOptions,
    { flags: '--address <addresses>', summary: 'addresses to listen on', default: 'localhost' },
    { flags: '--pod-running-timeout <duration>', summary: 'accepted' },
  ],
  examples: `Examples:
  stormo port-forward web-0 8080:80
  stormo port-forward service/web 8080:http`,
  run: (invocation) => withClient(invocation, (client) => portForward(invocation, client)),
}

async function portForward(invocation: Invocation, client: RestClient): Promise<number> {
  const { io } = invocation
  const [target = '', ...texts] = invocation.args
  const namespace = namespaceOf(invocation, client)
  const { pod, service } = await resolveTarget(client, namespace, target)
  if (pod.status?.phase !== 'Running')
    throw new UsageError(`unable to forward port because pod is not running. Current status=${pod.status?.phase}`)
  const forwards = texts.map((text) => resolvePort(text, pod, service))
  const path = podPath(namespace, pod.metadata.name ?? '', 'portforward')
  const addresses = (option.text(invocation, 'address') ?? 'localhost')
    .split(',')
    .flatMap((address) => (address === 'localhost' ? ['127.0.0.1', '::1'] : [address]))
  const stops: (() => void)[] = []
  try {
    for (const forward of forwards) {
      let listening = 0
      for (const address of addresses) {
        try {
          stops.push(await listenForward(client, path, forward, address, io))
          listening++
        } catch (error) {
          // A machine may have no IPv6; one address of localhost is enough.
          if (addresses.length === 1 || (address === addresses.at(-1) && listening === 0)) throw error
        }
      }
    }
    if (!io.signal.aborted) await once(io.signal, 'abort')
    return 0
  } finally {
    for (const stop of stops) stop()
  }
}

async function resolveTarget(
  client: RestClient,
  namespace: string,
  target: string,
): Promise<{ pod: Pod; service?: Service }> {
  if (!target.includes('/')) return { pod: await podOf(client, namespace, target) }
  const { resource, name } = await objectTarget(client, [target])
  if (resource.resource !== 'services') return { pod: await podOf(client, namespace, target) }
  const service = await client.json<Service>({ path: pathOf(resource, namespace, name) })
  const pods = await podsBehind(client, namespace, resource, name)
  return { pod: pods.find((pod) => pod.status?.phase === 'Running') ?? pods[0]!, service }
}

/** The pod's port for what the user wrote: a number, a name, or a port of the service. */
export function resolvePort(text: string, pod: Pod, service?: Service): ForwardedPort {
  const parsed = parseForward(text)
  const containerPorts = (pod.spec?.containers ?? []).flatMap((container) => container.ports ?? [])
  const byName = (name: string): number => {
    const found = containerPorts.find((port) => port.name === name)
    if (!found) throw new UsageError(`pod ${pod.metadata.name} does not have a port named "${name}"`)
    return found.containerPort
  }
  if (!service)
    return 'remote' in parsed
      ? parsed
      : { local: parsed.local || byName(parsed.remoteName), remote: byName(parsed.remoteName) }
  const servicePort = service.spec?.ports?.find((port) =>
    'remote' in parsed ? port.port === parsed.remote : port.name === parsed.remoteName,
  )
  if (!servicePort)
    throw new UsageError(
      `Service ${service.metadata.name} does not have a service port ${'remote' in parsed ? parsed.remote : parsed.remoteName}`,
    )
  const target = servicePort.targetPort ?? servicePort.port
  const isBare = !text.includes(':')
  return {
    local: isBare ? servicePort.port : parsed.local,
    remote: typeof target === 'string' ? byName(target) : target || servicePort.port,
  }
}
