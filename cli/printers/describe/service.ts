import type { EndpointSlice, Service } from '../../../src/api/kinds.ts'
import { formatLabels } from '../../../src/lib/selector.ts'
import { eventLines } from './events.ts'
import { type DescribeContext, headLines } from './lines.ts'

export interface ServiceContext extends DescribeContext {
  slices: readonly EndpointSlice[]
}

/** Most endpoints that are named in one line. */
const maxEndpoints = 3

export function describeService(service: Service, context: ServiceContext): string[] {
  const { spec, status } = service
  const ingress = (status?.loadBalancer?.ingress ?? []).map((one) =>
    one.ip ? `${one.ip}${one.ipMode ? ` (${one.ipMode})` : ''}` : (one.hostname ?? ''),
  )
  return [
    ...headLines(service),
    `Selector:\t${formatLabels(spec?.selector)}`,
    `Type:\t${spec?.type ?? ''}`,
    ...(spec?.ipFamilyPolicy ? [`IP Family Policy:\t${spec.ipFamilyPolicy}`] : []),
    ...(spec?.ipFamilies?.length ? [`IP Families:\t${spec.ipFamilies.join(',')}`] : ['IP Families:\t<none>']),
    `IP:\t${spec?.clusterIP ?? ''}`,
    `IPs:\t${spec?.clusterIPs?.join(',') || '<none>'}`,
    ...(spec?.externalIPs?.length ? [`External IPs:\t${spec.externalIPs.join(',')}`] : []),
    ...(spec?.loadBalancerIP ? [`Desired LoadBalancer IP:\t${spec.loadBalancerIP}`] : []),
    ...(spec?.externalName ? [`External Name:\t${spec.externalName}`] : []),
    ...(ingress.length > 0 ? [`LoadBalancer Ingress:\t${ingress.join(', ')}`] : []),
    ...(spec?.ports ?? []).flatMap((port) => {
      const name = port.name || '<unset>'
      const target = port.targetPort === undefined || port.targetPort === 0 ? '' : `${port.targetPort}/${port.protocol}`
      return [
        `Port:\t${name}\t${port.port}/${port.protocol}`,
        `TargetPort:\t${typeof port.targetPort === 'string' ? `${port.targetPort}/${port.protocol}` : target}`,
        ...(port.nodePort ? [`NodePort:\t${name}\t${port.nodePort}/${port.protocol}`] : []),
        `Endpoints:\t${endpointsOf(port.name ?? '', context.slices)}`,
      ]
    }),
    `Session Affinity:\t${spec?.sessionAffinity ?? ''}`,
    ...(spec?.externalTrafficPolicy ? [`External Traffic Policy:\t${spec.externalTrafficPolicy}`] : []),
    ...(spec?.internalTrafficPolicy ? [`Internal Traffic Policy:\t${spec.internalTrafficPolicy}`] : []),
    ...(spec?.trafficDistribution ? [`Traffic Distribution:\t${spec.trafficDistribution}`] : []),
    ...(spec?.healthCheckNodePort ? [`HealthCheck NodePort:\t${spec.healthCheckNodePort}`] : []),
    ...(spec?.loadBalancerSourceRanges?.length
      ? [`LoadBalancer Source Ranges:\t${spec.loadBalancerSourceRanges.join(',')}`]
      : []),
    ...eventLines(context),
  ]
}

/** `10.1.0.2:8080,10.1.0.3:8080 + 4 more...` of the ready endpoints. */
export function endpointsOf(portName: string, slices: readonly EndpointSlice[]): string {
  if (slices.length === 0) return '<none>'
  const addresses = slices.flatMap((slice) =>
    (slice.ports ?? [])
      .filter((port) => (port.name ?? '') === portName)
      .flatMap((port) =>
        (slice.endpoints ?? [])
          .filter((endpoint) => endpoint.conditions?.ready !== false)
          .flatMap((endpoint) => endpoint.addresses.map((address) => `${bracketed(address)}:${port.port}`)),
      ),
  )
  if (addresses.length <= maxEndpoints) return addresses.join(',')
  return `${addresses.slice(0, maxEndpoints).join(',')} + ${addresses.length - maxEndpoints} more...`
}

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)
