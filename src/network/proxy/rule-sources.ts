import { sameJson } from '../../lib/same-json.ts'
import { serviceNameLabel } from '../../api/endpoint-slice.ts'
import type { EndpointSlice, Namespace, NetworkPolicy, Node, Pod, Service, ServiceCIDR } from '../../api/kinds.ts'
import { serviceRanges } from '../../api/service-ranges.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { Logger } from '../../lib/log.ts'
import type { Family } from '../family.ts'
import { podAddress, policyContribution } from '../policy/network-policies.ts'
import type { Contribution } from './contribution.ts'
import { hostPortContribution, serviceContribution, type HostPort } from './frontends.ts'
import { createHealthChecks, healthCheckOf } from './health-check.ts'
import { apiServerAlive, furtherRangesContribution, type ProxyRanges } from './skeleton.ts'

/** All policies together: one pod that changes can matter to any of them. */
const policyOwner = 'policies'
const rangesOwner = 'ranges'
const serviceOwner = (key: string): string => `service/${key}`
const podOwner = (key: string): string => `pod/${key}`
const keyOf = ({ metadata }: Service | Pod): string => `${metadata.namespace}/${metadata.name}`
const zoneLabel = 'topology.kubernetes.io/zone'

export interface RuleSourcesOptions {
  nodeName: string
  /** This node's address at which its own API server listens. */
  nodeIp: string
  ranges: ProxyRanges
  family: Family
  informers: Informers
  logger: Logger
}

/** What asks for rules, each under the name of its owner: `service/NAMESPACE/NAME`, `pod/NAMESPACE/NAME`, … */
export interface RuleSources {
  /** The rules that it asks for now; undefined: none. Throws for an object that cannot be read. */
  contributionOf(owner: string): Contribution | undefined
  /** From now on calls back with every owner that may ask for something else: at once for those that are there. */
  follow(touch: (owner: string) => void): void
  stop(): Promise<void>
}

export function createRuleSources({
  nodeName,
  nodeIp,
  ranges,
  family,
  informers,
  logger,
}: RuleSourcesOptions): RuleSources {
  const services = informers.for<Service>(refs.services)
  const slices = informers.for<EndpointSlice>(refs.endpointSlices)
  const pods = informers.for<Pod>(refs.pods)
  const nodes = informers.for<Node>(refs.nodes)
  const policies = informers.for<NetworkPolicy>(refs.networkPolicies)
  const namespaces = informers.for<Namespace>(refs.namespaces)
  const serviceCidrs = informers.for<ServiceCIDR>(refs.serviceCidrs)
  const healthChecks = createHealthChecks(logger)
  const slicesByService = new Map<string, Map<string, EndpointSlice>>()
  let zone = ''
  let stops: (() => void)[] = []

  function ofService(namespace: string, name: string): Contribution | undefined {
    const key = `${namespace}/${name}`
    const service = services.get(namespace, name)
    const own = [...(slicesByService.get(key)?.values() ?? [])]
    const node = { nodeName, zone, family }
    // One server for both families: the first one's.
    if (family.name === 'ip') healthChecks.set(key, healthCheckOf(service, own, node))
    if (!service) return undefined
    const isApi = namespace === 'default' && name === 'kubernetes'
    return serviceContribution(service, own, node, isApi ? { address: nodeIp, whileIn: apiServerAlive } : undefined)
  }

  function ofPod(namespace: string, name: string): Contribution | undefined {
    const pod = pods.get(namespace, name)
    const ports = pod ? hostPortsOf(pod, nodeName, family) : []
    return ports.length > 0 ? hostPortContribution(ports, family) : undefined
  }

  const ofPolicies = (): Contribution =>
    policyContribution({
      policies: policies.list(),
      pods: pods.list(),
      namespaceLabels: (namespace) => namespaces.get('', namespace)?.metadata.labels,
      nodeName,
      family,
    })

  const ofRanges = (): Contribution =>
    furtherRangesContribution(serviceRanges(serviceCidrs.list(), nodes.list()), ranges, family)

  /** Returns the owners that the change is about. */
  function takeSlice(current: EndpointSlice | undefined, previous: EndpointSlice | undefined): string[] {
    const owners: string[] = []
    for (const [slice, present] of [
      [previous, false],
      [current, true],
    ] as const) {
      const service = slice?.metadata.labels?.[serviceNameLabel]
      if (!slice || service === undefined) continue
      const key = `${slice.metadata.namespace}/${service}`
      const own = slicesByService.get(key) ?? new Map<string, EndpointSlice>()
      if (present) own.set(slice.metadata.name ?? '', slice)
      else own.delete(slice.metadata.name ?? '')
      if (own.size > 0) slicesByService.set(key, own)
      else slicesByService.delete(key)
      owners.push(serviceOwner(key))
    }
    return owners
  }

  const ownZone = (): string => nodes.get('', nodeName)?.metadata.labels?.[zoneLabel] ?? ''

  return {
    contributionOf(owner) {
      if (owner === policyOwner) return ofPolicies()
      if (owner === rangesOwner) return ofRanges()
      const [kind = '', namespace = '', name = ''] = owner.split('/')
      return kind === 'pod' ? ofPod(namespace, name) : ofService(namespace, name)
    },
    follow(touch) {
      const touchPolicies = (): void => {
        if (policies.list().length > 0) touch(policyOwner)
      }
      const touchServices = (): void => services.list().forEach((one) => touch(serviceOwner(keyOf(one))))
      stops = [
        services.onChange(({ namespace, name }) => touch(serviceOwner(`${namespace}/${name}`))),
        slices.onChange(({ object, previous }) => takeSlice(object, previous).forEach(touch)),
        pods.onChange(({ object, previous, namespace, name }) => {
          if ((object ?? previous)?.spec?.nodeName === nodeName) touch(podOwner(`${namespace}/${name}`))
          if (mattersToPolicies(previous, object)) touchPolicies()
        }),
        namespaces.onChange(({ previous, object }) => {
          if (!sameJson(previous?.metadata.labels, object?.metadata.labels)) touchPolicies()
        }),
        policies.onChange(() => touch(policyOwner)),
        serviceCidrs.onChange(() => touch(rangesOwner)),
        nodes.onChange(({ name, object, previous }) => {
          if (!sameJson(addressesOf(previous), addressesOf(object))) touch(rangesOwner)
          if (name !== nodeName || ownZone() === zone) return
          zone = ownZone()
          touchServices()
        }),
      ]
      zone = ownZone()
      for (const slice of slices.list()) takeSlice(slice, undefined).forEach(touch)
      touchServices()
      for (const pod of pods.list()) if (pod.spec?.nodeName === nodeName) touch(podOwner(keyOf(pod)))
      touch(policyOwner)
      touch(rangesOwner)
    },
    async stop() {
      for (const stop of stops) stop()
      stops = []
      await healthChecks.close()
    },
  }
}

/** What of a node a range of cluster IPs must not hold. */
const addressesOf = (node: Node | undefined) => [node?.status?.addresses, node?.spec?.podCIDRs]

/** Whether a pod changed in what policies look at: address, labels, and that it is there. */
function mattersToPolicies(before: Pod | undefined, after: Pod | undefined): boolean {
  const viewOf = (pod: Pod | undefined) => [
    pod?.metadata.labels,
    pod?.status?.podIP,
    pod?.status?.podIPs,
    pod?.status?.phase,
  ]
  return !sameJson(viewOf(before), viewOf(after))
}

/** The host ports of a pod that runs on this node with an address of its own. */
function hostPortsOf(pod: Pod, nodeName: string, family: Family): HostPort[] {
  const podIp = podAddress(pod, family)
  const over = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
  if (pod.spec?.nodeName !== nodeName || pod.spec.hostNetwork || podIp === undefined || over) return []
  const restartable = (pod.spec.initContainers ?? []).filter((one) => one.restartPolicy === 'Always')
  return [...restartable, ...pod.spec.containers].flatMap((container) =>
    (container.ports ?? []).flatMap((port) =>
      port.hostPort
        ? [
            {
              hostIp: port.hostIP,
              hostPort: port.hostPort,
              protocol: port.protocol ?? 'TCP',
              podIp,
              containerPort: port.containerPort,
            },
          ]
        : [],
    ),
  )
}
