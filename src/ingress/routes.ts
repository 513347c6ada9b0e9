import { ownIngresses } from '../api/ingress-class.ts'
import type {
  EndpointSlice,
  Ingress,
  IngressBackend,
  IngressClass,
  ObjectReference,
  Secret,
  Service,
} from '../api/kinds.ts'
import { referenceOf } from './reference.ts'
import { endpointsOf, findServicePort } from './service-endpoints.ts'
import { type BackendProtocol, type IngressSettings, readIngressSettings } from './ingress-settings.ts'

/** How a service is reached on behalf of one Ingress, whose annotations say how. */
export interface RouteBackend {
  /** Unique, and of characters that HAProxy takes in a name: `NAMESPACE_INGRESS_SERVICE_PORT`. */
  readonly name: string
  readonly settings: IngressSettings
  readonly protocol: BackendProtocol
  /** Hosts whose plain requests are redirected; `all` of them, for a certificate without a list of hosts. */
  readonly redirectHosts: readonly string[] | 'all'
  /** `ADDRESS:PORT`, ordered. */
  readonly endpoints: readonly string[]
}

/** Host is '' for every host, and may begin with `*.`. Path has no `/` at its end, but for the root in an exact one. */
export interface Route {
  readonly host: string
  readonly path: string
  readonly match: 'exact' | 'prefix'
  readonly backend: string
}

export interface RouteCertificate {
  /** `NAMESPACE_SECRET`. */
  readonly name: string
  /** Chain and key. */
  readonly pem: string
  /** Names for which it is shown; empty: those that it carries itself. */
  readonly hosts: readonly string[]
}

/** Everything that the proxy of a node is to do: the state of the cluster, without a trace of how it is done. */
export interface RoutePlan {
  readonly routes: readonly Route[]
  readonly backends: readonly RouteBackend[]
  readonly certificates: readonly RouteCertificate[]
  /** Backend of what no route takes. */
  readonly defaultBackend?: string
  /** What could not be done, and whose fault it is. */
  readonly problems: readonly { about: ObjectReference; message: string }[]
}

export interface IngressState {
  readonly ingresses: readonly Ingress[]
  readonly classes: readonly IngressClass[]
  service(namespace: string, name: string): Service | undefined
  slices(namespace: string, service: string): readonly EndpointSlice[]
  secret(namespace: string, name: string): Secret | undefined
}

/** Decides who gets which request. Pure: the same state gives the same plan. */
export function planRoutes(state: IngressState): RoutePlan {
  const routes = new Map<string, Route>()
  const backends = new Map<string, RouteBackend>()
  const certificates = new Map<string, RouteCertificate>()
  const problems: { about: ObjectReference; message: string }[] = []
  let defaultBackend: string | undefined

  for (const ingress of ownIngresses(state.ingresses, state.classes)) {
    const complain = (message: string): void => void problems.push({ about: referenceOf(ingress), message })
    const { settings, problems: unread } = readIngressSettings(ingress.metadata.annotations)
    unread.forEach(complain)
    addCertificates(state, ingress, certificates, complain)

    const addBackend = (backend: IngressBackend | undefined): string | undefined => {
      const made = backend && backendOf(state, ingress, backend, settings, complain)
      if (made) backends.set(made.name, made)
      return made?.name
    }
    const fallback = addBackend(ingress.spec?.defaultBackend)
    for (const { host = '', http } of ingress.spec?.rules ?? []) {
      const paths = http?.paths ?? []
      for (const { path = '/', pathType, backend } of paths) {
        const name = addBackend(backend)
        if (name === undefined) continue
        const match = pathType === 'Exact' ? 'exact' : 'prefix'
        const route: Route = { host: host.toLowerCase(), path: normalPath(path, match), match, backend: name }
        const key = [match, route.host, route.path].join(' ')
        const taken = routes.get(key)
        if (taken && taken.backend !== name) complain(`${host || '*'}${path} is already served by an older Ingress`)
        else routes.set(key, route)
      }
      // A rule without paths, and what the paths of a host leave over, go to the Ingress's own default.
      if (fallback !== undefined) {
        const rest: Route = { host: host.toLowerCase(), path: '', match: 'prefix', backend: fallback }
        const key = ['prefix', rest.host, ''].join(' ')
        if (!routes.has(key)) routes.set(key, rest)
      }
    }
    if (fallback !== undefined && (ingress.spec?.rules ?? []).length === 0) defaultBackend ??= fallback
  }
  return {
    routes: [...routes.values()],
    backends: [...backends.values()],
    certificates: [...certificates.values()],
    defaultBackend,
    problems,
  }
}

/** A prefix counts in whole elements, so that `/a`, `/a/` and what is below are one. */
const normalPath = (path: string, match: Route['match']): string =>
  match === 'exact' ? path : path.replace(/\/+$/, '')

function backendOf(
  state: IngressState,
  ingress: Ingress,
  { service: wanted }: IngressBackend,
  settings: IngressSettings,
  complain: (message: string) => void,
): RouteBackend | undefined {
  const namespace = ingress.metadata.namespace ?? ''
  if (!wanted) {
    complain('a backend that is no Service is not supported')
    return undefined
  }
  const portName = String(wanted.port?.name ?? wanted.port?.number ?? '')
  const service = state.service(namespace, wanted.name)
  const port = service && findServicePort(service, wanted.port ?? {})
  // Without endpoints its requests are answered with 503, as a Service does that has none.
  if (!service) complain(`service "${wanted.name}" does not exist`)
  else if (!port) complain(`service "${wanted.name}" has no port ${portName}`)
  return {
    name: [namespace, ingress.metadata.name, wanted.name, portName].join('_'),
    settings,
    protocol: settings.protocol === 'http' && port?.appProtocol === 'kubernetes.io/h2c' ? 'h2c' : settings.protocol,
    redirectHosts: redirectHostsOf(ingress, settings),
    endpoints: service && port ? endpointsOf(service, port, state.slices(namespace, wanted.name)) : [],
  }
}

function redirectHostsOf(ingress: Ingress, settings: IngressSettings): readonly string[] | 'all' {
  if (settings.forceSslRedirect) return 'all'
  const tls = ingress.spec?.tls ?? []
  if (!settings.sslRedirect || tls.length === 0) return []
  if (tls.some((one) => !one.hosts?.length)) return 'all'
  return [...new Set(tls.flatMap((one) => one.hosts ?? []).map((host) => host.toLowerCase()))].toSorted()
}

function addCertificates(
  state: IngressState,
  ingress: Ingress,
  certificates: Map<string, RouteCertificate>,
  complain: (message: string) => void,
): void {
  const namespace = ingress.metadata.namespace ?? ''
  for (const { secretName, hosts = [] } of ingress.spec?.tls ?? []) {
    // No secret: the hosts are served with the default certificate.
    if (!secretName) continue
    const secret = state.secret(namespace, secretName)
    const [chain, key] = ['tls.crt', 'tls.key'].map((name) => decode(secret?.data?.[name]))
    if (!chain || !key) {
      complain(
        `secret "${secretName}" ${secret ? 'has no tls.crt and tls.key' : 'does not exist'}: the default certificate is used`,
      )
      continue
    }
    const name = `${namespace}_${secretName}`
    const before = certificates.get(name)
    // Without a list it is shown for its own names, which are all that it is good for.
    const all = before && (before.hosts.length === 0 || hosts.length === 0) ? [] : [...(before?.hosts ?? []), ...hosts]
    certificates.set(name, { name, pem: `${chain.trim()}\n${key.trim()}\n`, hosts: [...new Set(all)].toSorted() })
  }
}

const decode = (base64: string | undefined): string | undefined =>
  base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('utf8')
