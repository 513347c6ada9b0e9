import type { Service } from '../../api/kinds.ts'

/**
 * Docker-link style variables of a namespace's services, and of `default/kubernetes` always. With
 * `enableServiceLinks: false` only the latter (upstream pkg/kubelet/envvars).
 */
export function serviceEnv(
  services: readonly Service[],
  namespace: string,
  enableServiceLinks: boolean,
): Map<string, string> {
  const env = new Map<string, string>()
  const add = (service: Service): void => addService(env, service)
  for (const service of services) {
    if (service.metadata.namespace === 'default' && service.metadata.name === 'kubernetes') add(service)
  }
  if (!enableServiceLinks) return env
  const own = services.filter((one) => one.metadata.namespace === namespace)
  for (const service of own.toSorted((a, b) => (a.metadata.name ?? '').localeCompare(b.metadata.name ?? '')))
    add(service)
  return env
}

const variableName = (name: string): string => name.toUpperCase().replaceAll('-', '_')

function addService(env: Map<string, string>, service: Service): void {
  const { clusterIP, ports = [] } = service.spec ?? {}
  const [first] = ports
  if (!clusterIP || clusterIP === 'None' || first === undefined) return
  const name = variableName(service.metadata.name ?? '')
  const host = clusterIP.includes(':') ? `[${clusterIP}]` : clusterIP
  env.set(`${name}_SERVICE_HOST`, clusterIP)
  env.set(`${name}_SERVICE_PORT`, String(first.port))
  for (const port of ports) {
    if (port.name) env.set(`${name}_SERVICE_PORT_${variableName(port.name)}`, String(port.port))
  }
  ports.forEach((port, index) => {
    const protocol = port.protocol ?? 'TCP'
    const url = `${protocol.toLowerCase()}://${host}:${port.port}`
    const prefix = `${name}_PORT_${port.port}_${protocol}`
    if (index === 0) env.set(`${name}_PORT`, url)
    env.set(prefix, url)
    env.set(`${prefix}_PROTO`, protocol.toLowerCase())
    env.set(`${prefix}_PORT`, String(port.port))
    env.set(`${prefix}_ADDR`, clusterIP)
  })
}
