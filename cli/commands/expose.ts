import type { KubeObject } from '../../src/api/object.ts'
import type { PodSpec, Service, ServicePort } from '../../src/api/kinds.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { createObject, createOptions } from '../create-object.ts'
import { portNumber, serviceTarget } from '../generators/services.ts'
import { parsePairs } from '../key-values.ts'
import { overridden, overrideOptions } from '../overrides.ts'
import { selectObjects } from '../select-objects.ts'
import { namespaceOptions } from '../targets.ts'
import { fileOptions } from '../write-manifests.ts'

export const exposeCommand: CommandDefinition = {
  name: 'expose',
  arguments: '[type] [name]',
  summary: 'Make a service for the pods of a workload or of another service',
  options: [
    ...namespaceOptions,
    { flags: '--port <ports>', summary: "port of the service (default: the containers' ports)" },
    { flags: '--target-port <port>', summary: 'number or name of the port of the pods' },
    { flags: '--protocol <protocol>', summary: 'TCP, UDP or SCTP' },
    { flags: '--type <type>', summary: 'ClusterIP, NodePort, LoadBalancer or ExternalName' },
    { flags: '--name <name>', summary: "name of the service (default: the object's)" },
    { flags: '-l, --labels <key=value,...>', summary: 'labels of the service', repeatable: true },
    { flags: '--selector <key=value,...>', summary: "the pods that are meant (default: the object's selector)" },
    { flags: '--cluster-ip <address>', summary: 'its address; None: no address of its own' },
    { flags: '--external-ip <address>', summary: 'an address of a node that takes connections too' },
    { flags: '--load-balancer-ip <address>', summary: 'address that a load balancer is asked for' },
    { flags: '--external-name <host>', summary: 'for type ExternalName' },
    { flags: '--session-affinity <affinity>', summary: 'None or ClientIP' },
    ...fileOptions,
    ...overrideOptions,
    ...createOptions,
  ],
  examples: `Examples:
  stormo expose deployment web --port=80 --target-port=8080
  stormo expose pod/web-0 --port=80 --type=NodePort`,
  run: (invocation) =>
    withClient(invocation, async (client) => {
      for (const { resource, object } of await selectObjects(invocation, client, { needExist: true })) {
        const service = buildService(invocation, { ...(object as Exposable), kind: resource.kind })
        await createObject(invocation, client, serviceTarget, await overridden(invocation, service), 'exposed')
      }
    }),
}

/** What can be exposed: something with pods behind it. */
export interface Exposable extends KubeObject {
  spec?: PodSpec & {
    selector?: Record<string, string> | { matchLabels?: Record<string, string>; matchExpressions?: unknown[] }
    template?: { spec?: PodSpec }
    ports?: ServicePort[]
  }
}

/** The service for an object, as `kubectl expose` derives it. Throws UsageError for what cannot be exposed. */
export function buildService(invocation: Invocation, object: Exposable): Service {
  const text = (name: string): string | undefined => option.text(invocation, name)
  const labels = parsePairs(option.list(invocation, 'labels'), 'labels')
  const ports = text('port') === undefined ? portsOf(object) : text('port')!.split(',').map(portFromText)
  if (ports.length === 0) throw new UsageError(`couldn't find port via --port flag or introspection`)
  const target = text('targetPort')
  const protocol = text('protocol')
  const selector = text('selector')
  const type = text('type')
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: text('name') ?? object.metadata.name ?? '',
      labels: Object.keys(labels).length > 0 ? labels : (object.metadata.labels ?? {}),
    },
    spec: {
      selector: selector === undefined ? selectorOf(object) : parsePairs([selector], 'selector'),
      ports: ports.map((port, index) => ({
        ...(ports.length > 1 ? { name: `port-${index + 1}` } : {}),
        port: port.port,
        protocol: protocol ?? port.protocol ?? 'TCP',
        targetPort: target === undefined ? port.port : /^\d+$/.test(target) ? portNumber(target) : target,
      })),
      ...(type ? { type } : {}),
      ...(text('clusterIp') ? { clusterIP: text('clusterIp')! } : {}),
      ...(text('externalIp') ? { externalIPs: [text('externalIp')!] } : {}),
      ...(text('loadBalancerIp') ? { loadBalancerIP: text('loadBalancerIp')! } : {}),
      ...(text('externalName') ? { externalName: text('externalName')! } : {}),
      ...(text('sessionAffinity') ? { sessionAffinity: text('sessionAffinity')! } : {}),
    },
  }
}

const portFromText = (text: string): { port: number; protocol?: string } => ({ port: portNumber(text) })

function portsOf(object: Exposable): { port: number; protocol?: string }[] {
  if (object.kind === 'Service') return object.spec?.ports ?? []
  const pod = object.kind === 'Pod' ? object.spec : object.spec?.template?.spec
  return (pod?.containers ?? []).flatMap((container) =>
    (container.ports ?? []).map(({ containerPort, protocol }) => ({
      port: containerPort,
      ...(protocol ? { protocol } : {}),
    })),
  )
}

function selectorOf(object: Exposable): Record<string, string> {
  const selector = object.spec?.selector
  switch (object.kind) {
    case 'Pod': {
      const labels = object.metadata.labels ?? {}
      if (Object.keys(labels).length === 0) throw new UsageError('the pod has no labels and cannot be exposed')
      return labels
    }
    case 'Service':
    case 'ReplicationController':
      return (selector as Record<string, string> | undefined) ?? {}
    case 'Deployment':
    case 'ReplicaSet': {
      const { matchLabels, matchExpressions } = (selector ?? {}) as {
        matchLabels?: Record<string, string>
        matchExpressions?: unknown[]
      }
      if (matchExpressions && matchExpressions.length > 0)
        throw new UsageError('couldn\'t convert expressions - "matchExpressions" to map-based selector format')
      return matchLabels ?? {}
    }
    default:
      throw new UsageError(`cannot expose a ${object.kind}`)
  }
}
