import type { EndpointSlice, Namespace, Pod, Service } from '../../api/kinds.ts'
import { serviceNameLabel } from '../../api/endpoint-slice.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'

/** Of which the last change is known. */
const maxNamespaces = 100_000

/** What answers are made of. Synchronous and always current. */
export interface ZoneView {
  hasNamespace(name: string): boolean
  service(namespace: string, name: string): Service | undefined
  slices(namespace: string, service: string): readonly EndpointSlice[]
  /** The service that has this cluster IP. */
  serviceByIp(ip: string): Service | undefined
  /** Slices, of any service, that hold the address. */
  slicesByIp(ip: string): readonly EndpointSlice[]
  /** Changes with everything in the namespace; with '' as the namespace, with anything. */
  version(namespace: string): number
}

/** A ZoneView on informers, with the indexes that answering needs. `close` stops following. */
export function createZoneView(informers: Informers): ZoneView & { close(): void } {
  const namespaces = informers.for<Namespace>(refs.namespaces)
  const services = informers.for<Service>(refs.services)
  const slices = informers.for<EndpointSlice>(refs.endpointSlices)
  const servicesByIp = createIndex<Service>(
    (service) => service.spec?.clusterIPs ?? (service.spec?.clusterIP ? [service.spec.clusterIP] : []),
  )
  const slicesByService = createIndex<EndpointSlice>((slice) => {
    const service = slice.metadata.labels?.[serviceNameLabel]
    return service === undefined ? [] : [`${slice.metadata.namespace}/${service}`]
  })
  const slicesByIp = createIndex<EndpointSlice>((slice) => (slice.endpoints ?? []).flatMap((one) => one.addresses))

  let changes = 0
  const changedAt = new Map<string, number>()
  function touch(namespace: string, isGone = false): void {
    changes += 1
    // Forgetting is safe: the newest change stands for what is not known.
    if (changedAt.size >= maxNamespaces) changedAt.clear()
    // Whoever asks for a namespace that is gone is told the newest change, which is never too old.
    if (isGone) changedAt.delete(namespace)
    else changedAt.set(namespace, changes)
  }

  for (const { metadata } of namespaces.list()) touch(metadata.name ?? '')
  for (const service of services.list()) servicesByIp.replace(undefined, service)
  for (const slice of slices.list()) {
    slicesByService.replace(undefined, slice)
    slicesByIp.replace(undefined, slice)
  }
  const stops = [
    namespaces.onChange(({ name, previous, object }) => {
      if (!previous || !object) touch(name, !object)
    }),
    services.onChange(({ namespace, previous, object }) => {
      touch(namespace)
      servicesByIp.replace(previous, object)
    }),
    slices.onChange(({ namespace, previous, object }) => {
      touch(namespace)
      slicesByService.replace(previous, object)
      slicesByIp.replace(previous, object)
    }),
  ]
  return {
    hasNamespace: (name) => namespaces.get('', name) !== undefined,
    service: (namespace, name) => services.get(namespace, name),
    slices: (namespace, service) => slicesByService.get(`${namespace}/${service}`),
    serviceByIp: (ip) => servicesByIp.get(ip)[0],
    slicesByIp: (ip) => slicesByIp.get(ip),
    version: (namespace) => (namespace === '' ? changes : (changedAt.get(namespace) ?? changes)),
    close() {
      for (const stop of stops) stop()
    },
  }
}

/** Objects by keys that follow from them; one object can have several. */
function createIndex<T extends Pick<Pod, 'metadata'>>(keysOf: (object: T) => readonly string[]) {
  const byKey = new Map<string, Map<string, T>>()
  const idOf = ({ metadata }: T) => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
  return {
    get: (key: string): T[] => [...(byKey.get(key)?.values() ?? [])],
    replace(previous: T | undefined, current: T | undefined): void {
      for (const key of previous ? new Set(keysOf(previous)) : []) {
        const objects = byKey.get(key)
        objects?.delete(idOf(previous as T))
        if (objects?.size === 0) byKey.delete(key)
      }
      for (const key of current ? new Set(keysOf(current)) : []) {
        const objects = byKey.get(key) ?? new Map<string, T>()
        byKey.set(key, objects.set(idOf(current as T), current as T))
      }
    },
  }
}
