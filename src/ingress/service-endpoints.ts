import type { EndpointSlice, Service, ServiceBackendPort, ServicePort } from '../api/kinds.ts'

/** The port of a service that an Ingress names by number or by name. */
export function findServicePort(service: Service, wanted: ServiceBackendPort): ServicePort | undefined {
  return service.spec?.ports?.find((port) =>
    wanted.name ? port.name === wanted.name : wanted.number !== undefined && port.port === wanted.number,
  )
}

/**
 * Where requests for a service port go, as `ADDRESS:PORT` in a stable order: ready endpoints, or, when there is none,
 * those that are terminating but still serve (KEP-1669). An ExternalName service is its name.
 */
export function endpointsOf(service: Service, port: ServicePort, slices: readonly EndpointSlice[]): string[] {
  if (service.spec?.type === 'ExternalName') {
    return service.spec.externalName ? [`${service.spec.externalName}:${port.port}`] : []
  }
  const ready = new Set<string>()
  const draining = new Set<string>()
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue
    const number = slice.ports?.find((one) => (one.name ?? '') === (port.name ?? ''))?.port
    if (number === undefined) continue
    for (const { addresses, conditions } of slice.endpoints ?? []) {
      const address = addresses[0]
      if (address === undefined) continue
      if (conditions?.ready !== false) ready.add(`${address}:${number}`)
      else if (conditions.serving && conditions.terminating) draining.add(`${address}:${number}`)
    }
  }
  return [...(ready.size > 0 ? ready : draining)].toSorted()
}
