import type { EndpointSlice, Service } from '../../api/kinds.ts'
import { serviceNameLabel } from '../../api/endpoint-slice.ts'
import type { KubeObject } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { Random } from '../../lib/clock.ts'
import { Unavailable, type RemoteApi } from './remote-api.ts'

export interface RemoteEndpoint {
  readonly host: string
  readonly port: number
}

/**
 * One of the endpoints that are ready behind the Service of an extension API: dialled directly, so that it does not
 * matter whether this node's service proxy has caught up. Throws {@link Unavailable} with upstream's reason.
 */
export function findEndpoint(informers: Informers, api: RemoteApi, random: Random): RemoteEndpoint {
  const { namespace, name, port } = api.service
  const what = `service/${name} in ${JSON.stringify(namespace)}`
  const service = informers.for<Service & KubeObject>(refs.services).get(namespace, name)
  if (!service) throw new Unavailable('ServiceNotFound', `${what} is not present`)
  if (service.spec?.type === 'ExternalName') return { host: service.spec.externalName ?? '', port }
  const chosen = service.spec?.ports?.find((one) => one.port === port)
  if (!chosen) throw new Unavailable('ServicePortError', `${what} is not listening on port ${port}`)
  const slices = informers
    .for<EndpointSlice & KubeObject>(refs.endpointSlices)
    .list(namespace)
    .filter(({ metadata }) => metadata.labels?.[serviceNameLabel] === name)
  if (slices.length === 0) throw new Unavailable('EndpointsNotFound', `cannot find endpointslices for ${what}`)
  const ready = slices.flatMap((slice) => {
    const number = slice.ports?.find((one) => (one.name ?? '') === (chosen.name ?? ''))?.port
    return (slice.endpoints ?? []).flatMap(({ addresses, conditions }) =>
      number && addresses[0] && conditions?.ready !== false ? [{ host: addresses[0], port: number }] : [],
    )
  })
  const picked = ready[Math.floor(random.next() * ready.length)]
  if (picked) return picked
  const portName = JSON.stringify(chosen.name ?? '')
  throw new Unavailable('MissingEndpoints', `endpoints for ${what} have no addresses with port name ${portName}`)
}
