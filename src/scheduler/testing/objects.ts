import type { Container, Node, Pod, PodAffinityTerm, PodSpec } from '../../api/kinds.ts'
import type { Surroundings } from '../framework/framework.ts'
import { createMatcher } from '../framework/affinity-term.ts'
import { parsePressure, pressureAnnotation } from '../plugins/inter-pod-interference.ts'

export interface NodeOptions {
  cpu?: string
  memory?: string
  pods?: string
  labels?: Record<string, string>
  zone?: string
  extended?: Record<string, string>
  spec?: Node['spec']
  images?: { names: string[]; sizeBytes: number }[]
}

/** A node with room, its host name and zone as labels. */
export function makeNode(name: string, options: NodeOptions = {}): Node {
  const { cpu = '4', memory = '32Gi', pods = '110', zone, labels, extended, spec, images } = options
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      uid: `node-${name}`,
      labels: {
        'kubernetes.io/hostname': name,
        ...(zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone }),
        ...labels,
      },
    },
    spec: spec ?? {},
    status: { allocatable: { cpu, memory, pods, ...extended }, ...(images ? { images } : {}) },
  }
}

export interface PodOptions {
  namespace?: string
  cpu?: string
  memory?: string
  requests?: Record<string, string>
  labels?: Record<string, string>
  annotations?: Record<string, string>
  nodeName?: string
  priority?: number
  spec?: Partial<PodSpec>
  metadata?: Partial<Pod['metadata']>
  status?: Pod['status']
  image?: string
}

export function makePod(name: string, options: PodOptions = {}): Pod {
  const { namespace = 'default', cpu, memory, requests, labels, annotations, nodeName, priority } = options
  const asked = { ...(cpu ? { cpu } : {}), ...(memory ? { memory } : {}), ...requests }
  const container: Container = { name: 'main', image: options.image ?? 'web:1', resources: { requests: asked } }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid: `${namespace}-${name}`,
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...options.metadata,
    },
    spec: {
      containers: [container],
      ...(nodeName ? { nodeName } : {}),
      ...(priority === undefined ? {} : { priority }),
      ...options.spec,
    },
    ...(options.status ? { status: options.status } : {}),
  }
}

export const affinityTerm = (
  labels: Record<string, string>,
  topologyKey = 'kubernetes.io/hostname',
  more: Partial<PodAffinityTerm> = {},
): PodAffinityTerm => ({ labelSelector: { matchLabels: labels }, topologyKey, ...more })

/** Nothing around the nodes but what is given; pods of one `app` label are siblings. */
export function makeSurroundings(given: Partial<Surroundings> = {}): Surroundings {
  return {
    namespaceLabels: (namespace) => ({ 'kubernetes.io/metadata.name': namespace }),
    volumes: {
      claim: () => undefined,
      volume: () => undefined,
      volumesOfClass: () => [],
      storageClass: () => undefined,
      csiNode: () => undefined,
      csiDriver: () => undefined,
      storageCapacities: () => [],
      promisedTo: () => undefined,
    },
    siblings: ({ metadata: { namespace = '', labels } }) =>
      labels?.['app'] === undefined
        ? undefined
        : createMatcher([namespace], undefined, [{ key: 'app', operator: '=', values: [labels['app']] }]),
    disruptionBudgets: () => [],
    pressureOf: ({ metadata }) => parsePressure(metadata.annotations?.[pressureAnnotation]),
    ...given,
  }
}
