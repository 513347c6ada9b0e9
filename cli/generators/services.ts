import type {
  Ingress,
  IngressRule,
  PodDisruptionBudget,
  PriorityClass,
  Service,
  ServicePort,
} from '../../src/api/kinds.ts'
import { type Invocation, option, type OptionDefinition, UsageError } from '../command.ts'
import { parsePairs } from '../key-values.ts'
import type { CreateTarget } from '../create-object.ts'
import type { Generator } from './generator.ts'

export const serviceTarget: CreateTarget = {
  group: '',
  version: 'v1',
  resource: 'services',
  singular: 'service',
  namespaced: true,
}

const tcpOption: OptionDefinition = {
  flags: '--tcp <port[:target]>',
  summary: 'port of the service and of the pods, for example 80:8080',
  repeatable: true,
}

/** `80`, `80:8080`, `80:http` as a port of a service. */
export function servicePort(text: string): ServicePort {
  const [first = '', second] = text.split(':')
  const port = portNumber(first)
  const target = second === undefined ? port : /^\d+$/.test(second) ? portNumber(second) : second
  return { name: text.replace(':', '-'), port, protocol: 'TCP', targetPort: target }
}

export function portNumber(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535)
    throw new UsageError(`invalid port "${text}": must be between 1 and 65535, inclusive`)
  return port
}

function service(invocation: Invocation, type: string, more: Partial<Service['spec'] & object> = {}): Service {
  const name = invocation.args[0] ?? ''
  const ports = option.list(invocation, 'tcp').flatMap((one) => one.split(',').map(servicePort))
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels: { app: name } },
    spec: { type, selector: { app: name }, ...(ports.length > 0 ? { ports } : {}), ...more },
  }
}

const needPorts = (built: Service): Service => {
  if (!built.spec?.ports?.length) throw new UsageError('at least one tcp port specifier must be provided')
  return built
}

export const serviceGenerators: readonly Generator[] = [
  {
    name: 'clusterip',
    failure: 'failed to create ClusterIP service',
    arguments: '<name>',
    summary: 'A service inside the cluster',
    options: [tcpOption, { flags: '--clusterip <address>', summary: 'its address; None: no address of its own' }],
    target: serviceTarget,
    build(invocation) {
      const clusterIP = option.text(invocation, 'clusterip')
      const built = service(invocation, 'ClusterIP', clusterIP === undefined ? {} : { clusterIP })
      return clusterIP === 'None' ? built : needPorts(built)
    },
  },
  {
    name: 'nodeport',
    failure: 'failed to create NodePort service',
    arguments: '<name>',
    summary: 'A service on a port of every node',
    options: [tcpOption, { flags: '--node-port <port>', summary: 'which port', integer: true }],
    target: serviceTarget,
    build(invocation) {
      const built = needPorts(service(invocation, 'NodePort'))
      const nodePort = option.integer(invocation, 'nodePort')
      const [first, ...others] = built.spec!.ports!
      if (nodePort !== undefined && first) built.spec!.ports = [{ ...first, nodePort }, ...others]
      return built
    },
  },
  {
    name: 'loadbalancer',
    failure: 'failed to create LoadBalancer service',
    arguments: '<name>',
    summary: 'A service with an address from outside',
    options: [tcpOption],
    target: serviceTarget,
    build: (invocation) => needPorts(service(invocation, 'LoadBalancer')),
  },
  {
    name: 'externalname',
    failure: 'failed to create ExternalName service',
    arguments: '<name>',
    summary: 'A name for something outside the cluster',
    options: [tcpOption, { flags: '--external-name <host>', summary: 'what it stands for' }],
    target: serviceTarget,
    build(invocation) {
      const externalName = option.text(invocation, 'externalName')
      if (!externalName) throw new UsageError('required flag(s) "external-name" not set')
      return service(invocation, 'ExternalName', { externalName })
    },
  },
]

export const ingressGenerator: Generator = {
  name: 'ingress',
  aliases: ['ing'],
  arguments: '<name>',
  summary: 'An ingress',
  options: [
    { flags: '--rule <host/path=service:port[,tls[=secret]]>', summary: 'a rule', repeatable: true },
    { flags: '--class <name>', summary: 'ingress class' },
    { flags: '--default-backend <service:port>', summary: 'for what no rule takes' },
    { flags: '--annotation <key=value>', summary: 'an annotation', repeatable: true },
  ],
  target: { group: 'networking.k8s.io', version: 'v1', resource: 'ingresses', singular: 'ingress', namespaced: true },
  build(invocation): Ingress {
    const rules = option.list(invocation, 'rule').map(parseRule)
    const fallback = option.text(invocation, 'defaultBackend')
    if (rules.length === 0 && fallback === undefined)
      throw new UsageError(
        'not enough information provided: every ingress has to either specify a default-backend (which catches all traffic) or a list of rules (which catch specific paths)',
      )
    const hosts = Map.groupBy(rules, ({ host }) => host)
    const annotations = parsePairs(option.list(invocation, 'annotation'), 'annotation')
    const className = option.text(invocation, 'class')
    const secured = rules.filter((rule) => rule.tls)
    return {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: {
        name: invocation.args[0] ?? '',
        ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      },
      spec: {
        ...(className ? { ingressClassName: className } : {}),
        ...(fallback === undefined ? {} : { defaultBackend: backend(fallback) }),
        ...(rules.length > 0
          ? {
              rules: [...hosts].map(([host, own]): IngressRule => ({
                ...(host ? { host } : {}),
                http: {
                  paths: own.map(({ path, pathType, target }) => ({ path, pathType, backend: backend(target) })),
                },
              })),
            }
          : {}),
        ...(secured.length > 0
          ? {
              tls: [...Map.groupBy(secured, ({ secret }) => secret)].map(([secretName, own]) => ({
                hosts: [...new Set(own.map(({ host }) => host).filter((host) => host !== ''))],
                ...(secretName ? { secretName } : {}),
              })),
            }
          : {}),
      },
    }
  },
}

interface ParsedRule {
  host: string
  path: string
  pathType: string
  target: string
  tls: boolean
  secret: string
}

/** `foo.com/path*=svc:8080,tls=secret`; a path that ends with `*` is a prefix. */
export function parseRule(text: string): ParsedRule {
  const found = /^([^/=]*)(\/[^=]*)=([^,:]+:[^,]+)(,tls(?:=([^,]*))?)?$/.exec(text)
  if (!found)
    throw new UsageError(`rule ${text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]`)
  const [, host = '', path = '', target = '', tls, secret = ''] = found
  const isPrefix = path.endsWith('*')
  return {
    host,
    path: isPrefix ? path.slice(0, -1) : path,
    pathType: isPrefix ? 'Prefix' : 'Exact',
    target,
    tls: tls !== undefined,
    secret,
  }
}

function backend(text: string) {
  const [name = '', port = ''] = text.split(':')
  if (name === '' || port === '') throw new UsageError(`backend ${text} must be service:port`)
  return { service: { name, port: /^\d+$/.test(port) ? { number: portNumber(port) } : { name: port } } }
}

export const disruptionBudgetGenerator: Generator = {
  name: 'poddisruptionbudget',
  failure: 'failed to create poddisruptionbudgets',
  aliases: ['pdb'],
  arguments: '<name>',
  summary: 'How many pods may be missing at a time',
  options: [
    { flags: '-l, --selector <selector>', summary: 'the pods that it is about' },
    { flags: '--min-available <count>', summary: 'number or percentage that must be there' },
    { flags: '--max-unavailable <count>', summary: 'number or percentage that may be missing' },
  ],
  target: {
    group: 'policy',
    version: 'v1',
    resource: 'poddisruptionbudgets',
    singular: 'poddisruptionbudget',
    namespaced: true,
  },
  build(invocation): PodDisruptionBudget {
    const selector = option.text(invocation, 'selector')
    if (!selector) throw new UsageError('a selector must be specified')
    const least = option.text(invocation, 'minAvailable')
    const most = option.text(invocation, 'maxUnavailable')
    if (least === undefined && most === undefined)
      throw new UsageError('one of min-available or max-unavailable must be specified')
    if (least !== undefined && most !== undefined)
      throw new UsageError('min-available and max-unavailable cannot be both specified')
    const count = (text: string): number | string => (/^\d+$/.test(text) ? Number(text) : text)
    return {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: invocation.args[0] ?? '' },
      spec: {
        selector: { matchLabels: parsePairs([selector], 'selector') },
        ...(least === undefined ? { maxUnavailable: count(most!) } : { minAvailable: count(least) }),
      },
    }
  },
}

export const priorityClassGenerator: Generator = {
  name: 'priorityclass',
  aliases: ['pc'],
  arguments: '<name>',
  summary: 'How important pods are',
  options: [
    { flags: '--value <number>', summary: 'the higher the more important', integer: true, default: 0 },
    { flags: '--global-default', summary: 'for pods that name no class' },
    { flags: '--description <text>', summary: 'what it is for' },
    {
      flags: '--preemption-policy <policy>',
      summary: 'PreemptLowerPriority or Never',
      default: 'PreemptLowerPriority',
    },
  ],
  target: {
    group: 'scheduling.k8s.io',
    version: 'v1',
    resource: 'priorityclasses',
    singular: 'priorityclass',
    namespaced: false,
  },
  build(invocation): PriorityClass {
    const description = option.text(invocation, 'description')
    return {
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name: invocation.args[0] ?? '' },
      value: option.integer(invocation, 'value') ?? 0,
      ...(option.flag(invocation, 'globalDefault') ? { globalDefault: true } : {}),
      preemptionPolicy: option.text(invocation, 'preemptionPolicy') ?? 'PreemptLowerPriority',
      ...(description ? { description } : {}),
    }
  },
}
