import type { EndpointSlice, Ingress, IngressBackend, IngressClass, Service } from '../../../src/api/kinds.ts'
import { eventLines } from './events.ts'
import { annotationLines, type DescribeContext, headLines, labelLines } from './lines.ts'
import { endpointsOf } from './service.ts'

/** A backend's Service with its endpoints, or why it could not be read. */
export type ResolvedBackend = { service: Service; slices: readonly EndpointSlice[] } | { error: string }

export interface IngressContext extends DescribeContext {
  /** By the Service's name. */
  backends: ReadonlyMap<string, ResolvedBackend>
}

/** Names of the Services that an Ingress leads to, each once. */
export function backendServices({ spec }: Ingress): string[] {
  const backends = [
    ...(spec?.defaultBackend ? [spec.defaultBackend] : []),
    ...(spec?.rules ?? []).flatMap((rule) => (rule.http?.paths ?? []).map(({ backend }) => backend)),
  ]
  return [...new Set(backends.flatMap(({ service }) => (service ? [service.name] : [])))]
}

export function describeIngress(ingress: Ingress, context: IngressContext): string[] {
  const { metadata, spec, status } = ingress
  const text = (backend: IngressBackend): string => backendText(backend, context.backends)
  const addresses = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip || hostname || [])
  const fallback = spec?.defaultBackend ? text(spec.defaultBackend) : '<default>'
  const rules = (spec?.rules ?? []).flatMap(({ host, http }) =>
    http
      ? [`  ${host || '*'}\t`, ...http.paths.map(({ path = '', backend }) => `    \t${path} \t${text(backend)}`)]
      : [],
  )
  return [
    `Name:\t${metadata.name}`,
    ...labelLines('Labels', metadata.labels),
    `Namespace:\t${metadata.namespace}`,
    `Address:\t${[...new Set(addresses)].toSorted().join(',')}`,
    `Ingress Class:\t${spec?.ingressClassName ?? '<none>'}`,
    `Default backend:\t${fallback}`,
    ...(spec?.tls?.length
      ? [
          'TLS:',
          ...spec.tls.map(({ secretName, hosts = [] }) =>
            secretName ? `  ${secretName} terminates ${hosts.join(',')}` : `  SNI routes ${hosts.join(',')}`,
          ),
        ]
      : []),
    'Rules:',
    '  Host\tPath\tBackends',
    '  ----\t----\t--------',
    ...(rules.length > 0 ? rules : [`  *\t*\t${fallback}`]),
    ...annotationLines(metadata.annotations),
    ...eventLines(context),
  ]
}

function backendText({ service, resource }: IngressBackend, backends: IngressContext['backends']): string {
  if (resource) return `APIGroup: ${resource.apiGroup ?? '<none>'}, Kind: ${resource.kind}, Name: ${resource.name}`
  if (!service) return ''
  const { name, number } = service.port ?? {}
  const found = backends.get(service.name)
  return `${service.name}:${number || (name ?? '')} (${found ? endpointsText(found, name, number) : ''})`
}

function endpointsText(found: ResolvedBackend, name: string | undefined, number: number | undefined): string {
  if ('error' in found) return `<error: ${found.error}>`
  const port = found.service.spec?.ports?.find((one) => (number ? one.port === number : one.name === name))
  return endpointsOf(port?.name ?? '', found.slices)
}

export function describeIngressClass(ingressClass: IngressClass, context: DescribeContext): string[] {
  const { controller = '', parameters } = ingressClass.spec ?? {}
  return [
    ...headLines(ingressClass, false),
    `Controller:\t${controller}`,
    ...(parameters
      ? [
          'Parameters:',
          ...(parameters.apiGroup ? [`  APIGroup:\t${parameters.apiGroup}`] : []),
          `  Kind:\t${parameters.kind}`,
          `  Name:\t${parameters.name}`,
        ]
      : []),
    ...eventLines(context),
  ]
}
