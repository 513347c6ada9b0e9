import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { EndpointSlice, Namespace, NetworkPolicy, Node, Pod, Service, ServiceCIDR } from '../../api/kinds.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Service as LifeCycle } from '../../lib/service.ts'
import type { Exec } from '../exec.ts'
import type { Family } from '../family.ts'
import { podAddress, policyContribution } from '../policy/network-policies.ts'
import { createApiProbe } from './api-probe.ts'
import { createApplier } from './applier.ts'
import type { Drift } from './audit.ts'
import { forgetUdpFlows, forgetUdpPorts, newUdpPorts, staleUdpBackends } from './conntrack.ts'
import type { Contribution } from './contribution.ts'
import { hostPortContribution, pinnedContribution, serviceContribution, type HostPort } from './frontends.ts'
import { createHealthChecks, healthCheckOf } from './health-check.ts'
import { createRuleset } from './ruleset.ts'
import {
  apiServerAlive,
  fixedChains,
  fixedContainers,
  furtherRangesContribution,
  type ProxyRanges,
} from './skeleton.ts'

/** kube-proxy's bit, so that what knows it (other firewalls) knows ours. */
const defaultMark = 0x4000
/** All policies together: one pod that changes can matter to any of them. */
const policyOwner = 'policies'
const rangesOwner = 'ranges'
const serviceNameLabel = 'kubernetes.io/service-name'
const zoneLabel = 'topology.kubernetes.io/zone'

export interface ServiceProxyOptions {
  nodeName: string
  /** This node's address at which its own API server listens. */
  nodeIp: string
  ranges: ProxyRanges
  family: Family
  /** nft table of that family; agents that share a network namespace need different ones. */
  table: string
  mark?: number
  /** Tuples that lead to this node itself, before any service: its DNS. */
  pinned: Parameters<typeof pinnedContribution>[0]
  informers: Informers
  exec: Exec
  clock: Clock
  logger: Logger
  onDrift(drift: Drift): void
}

export interface ServiceProxy extends LifeCycle {
  /** Resolves when the kernel has the rules of everything that changed before the call. */
  flush(): Promise<void>
  audit(): Promise<Drift>
  /** Removes all rules. */
  remove(): Promise<void>
}

/** Keeps the kernel's rules equal to what Services, EndpointSlices and this node's pods ask for. */
export function createServiceProxy(options: ServiceProxyOptions): ServiceProxy {
  const { informers, nodeName, exec, logger, family } = options
  const services = informers.for<Service>(refs.services)
  const slices = informers.for<EndpointSlice>(refs.endpointSlices)
  const pods = informers.for<Pod>(refs.pods)
  const nodes = informers.for<Node>(refs.nodes)
  const policies = informers.for<NetworkPolicy>(refs.networkPolicies)
  const namespaces = informers.for<Namespace>(refs.namespaces)
  const serviceCidrs = informers.for<ServiceCIDR>(refs.serviceCidrs)
  const ruleset = createRuleset({
    family,
    table: options.table,
    mark: options.mark ?? defaultMark,
    chains: fixedChains(options.ranges, family),
    containers: fixedContainers(family),
  })
  const slicesByService = new Map<string, Map<string, EndpointSlice>>()
  /** `service/NAMESPACE/NAME` and `pod/NAMESPACE/NAME` that are to be looked at again. */
  const dirty = new Set<string>()
  const contributions = new Map<string, Contribution>()
  const staleFlows = new Set<string>()
  const newPorts = new Set<string>()
  /** What is there at the start was there before; its flows lead where they should. */
  let isFirstRound = true
  const healthChecks = createHealthChecks(logger)
  let stops: (() => void)[] = []
  let zone = ''

  function contributionOf(owner: string): Contribution | undefined {
    if (owner === policyOwner) {
      return policyContribution({
        policies: policies.list(),
        pods: pods.list(),
        namespaceLabels: (namespace) => namespaces.get('', namespace)?.metadata.labels,
        nodeName,
        family,
      })
    }
    if (owner === rangesOwner) {
      const further = serviceCidrs.list().flatMap(({ spec }) => spec?.cidrs ?? [])
      return furtherRangesContribution(further, options.ranges, family)
    }
    const [kind = '', namespace = '', name = ''] = owner.split('/')
    if (kind === 'pod') {
      const pod = pods.get(namespace, name)
      const ports = pod ? hostPortsOf(pod, nodeName, family) : []
      return ports.length > 0 ? hostPortContribution(ports, family) : undefined
    }
    const service = services.get(namespace, name)
    const own = [...(slicesByService.get(`${namespace}/${name}`)?.values() ?? [])]
    const node = { nodeName, zone, family }
    // One server for both families: the first one's.
    if (family.name === 'ip') healthChecks.set(`${namespace}/${name}`, healthCheckOf(service, own, node))
    if (!service) return undefined
    const isApi = namespace === 'default' && name === 'kubernetes'
    const preferred = isApi ? { address: options.nodeIp, whileIn: apiServerAlive } : undefined
    return serviceContribution(service, own, node, preferred)
  }

  /** One object that cannot be read must not keep the others' rules from the kernel. */
  function contributionOrPrevious(owner: string, previous: Contribution | undefined): Contribution | undefined {
    try {
      return contributionOf(owner)
    } catch (error) {
      logger.error({ owner, error: (error as Error).message }, 'rules cannot be made of an object; its old ones stay')
      return previous
    }
  }

  function prepare(): void {
    for (const owner of dirty) {
      const before = contributions.get(owner)
      const after = contributionOrPrevious(owner, before)
      for (const backend of staleUdpBackends(before, after)) staleFlows.add(backend)
      if (!isFirstRound) for (const port of newUdpPorts(before, after)) newPorts.add(port)
      if (after) contributions.set(owner, after)
      else contributions.delete(owner)
      // Services come before host ports; the pinned ones ("0") before both.
      ruleset.set(owner.startsWith('service/') ? `1/${owner}` : `2/${owner}`, after)
    }
    dirty.clear()
    isFirstRound = false
  }

  /** After the rules have changed, so that the old ones do not make the flow anew. */
  async function cleanFlows(): Promise<void> {
    const [stale, fresh] = [[...staleFlows], [...newPorts]]
    staleFlows.clear()
    newPorts.clear()
    try {
      await forgetUdpFlows(exec, stale, family)
      await forgetUdpPorts(exec, fresh, family)
    } catch (error) {
      logger.warn({ error: (error as Error).message }, 'UDP flows of endpoints that are gone could not be removed')
    }
  }

  const { apiServer } = options.ranges
  const probe = apiServer && createApiProbe({ ...apiServer, clock: options.clock })
  const applier = createApplier({
    ...options,
    ruleset,
    prepare,
    onApplied() {
      if (staleFlows.size + newPorts.size > 0) void cleanFlows()
    },
  })

  function touch(owner: string): void {
    dirty.add(owner)
    applier.changed()
  }

  function touchPolicies(): void {
    if (policies.list().length > 0) touch(policyOwner)
  }

  function onSlice(current: EndpointSlice | undefined, previous: EndpointSlice | undefined): void {
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
      touch(`service/${key}`)
    }
  }

  function onNode(): void {
    const now = nodes.get('', nodeName)?.metadata.labels?.[zoneLabel] ?? ''
    if (now === zone) return
    zone = now
    for (const { metadata } of services.list()) touch(`service/${metadata.namespace}/${metadata.name}`)
  }

  return {
    async start() {
      ruleset.set('0/pinned', pinnedContribution(options.pinned))
      stops = [
        services.onChange(({ namespace, name }) => touch(`service/${namespace}/${name}`)),
        slices.onChange(({ object, previous }) => onSlice(object, previous)),
        pods.onChange(({ object, previous, namespace, name }) => {
          if ((object ?? previous)?.spec?.nodeName === nodeName) touch(`pod/${namespace}/${name}`)
          if (mattersToPolicies(previous, object)) touchPolicies()
        }),
        namespaces.onChange(({ previous, object }) => {
          if (!sameJson(previous?.metadata.labels, object?.metadata.labels)) touchPolicies()
        }),
        policies.onChange(() => touch(policyOwner)),
        serviceCidrs.onChange(() => touch(rangesOwner)),
        nodes.onChange(({ name }) => {
          if (name === nodeName) onNode()
        }),
      ]
      zone = nodes.get('', nodeName)?.metadata.labels?.[zoneLabel] ?? ''
      for (const slice of slices.list()) onSlice(slice, undefined)
      for (const { metadata } of services.list()) dirty.add(`service/${metadata.namespace}/${metadata.name}`)
      for (const { metadata, spec } of pods.list()) {
        if (spec?.nodeName === nodeName) dirty.add(`pod/${metadata.namespace}/${metadata.name}`)
      }
      dirty.add(policyOwner)
      dirty.add(rangesOwner)
      await applier.start()
      probe?.start()
    },
    async stop() {
      probe?.stop()
      for (const stop of stops) stop()
      stops = []
      await applier.stop()
      await healthChecks.close()
    },
    flush: () => applier.flush(),
    audit: () => applier.audit(),
    remove: () => applier.remove(),
  }
}

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

const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** The host ports of a pod that runs on this node with an address of its own. */
export function hostPortsOf(pod: Pod, nodeName: string, family: Family): HostPort[] {
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
