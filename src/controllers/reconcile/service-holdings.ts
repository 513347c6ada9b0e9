import type { Service } from '../../api/kinds.ts'
import type { Index } from '../controller.ts'

/** The cluster IPs that a Service holds. */
export const clusterIpsOf = ({ spec }: Service): string[] =>
  spec?.type === 'ExternalName'
    ? []
    : [...new Set([spec?.clusterIP ?? '', ...(spec?.clusterIPs ?? [])])].filter((ip) => ip !== '' && ip !== 'None')

export const nodePortsOf = ({ spec }: Service): { port: number; protocol: string }[] =>
  (spec?.ports ?? []).flatMap(({ nodePort, protocol = 'TCP' }) => (nodePort ? [{ port: nodePort, protocol }] : []))

export const portKey = ({ port, protocol }: { port: number; protocol: string }): string => `${port}/${protocol}`

/** Services by what they hold of the cluster's address space, as text: an address, or a port with its protocol. */
export const byHolding: Index = {
  name: 'service-holdings',
  valuesOf: (object) => [...clusterIpsOf(object as Service), ...nodePortsOf(object as Service).map(portKey)],
}

/** The one that was there first keeps what two hold. */
export function isOlder(a: Service, b: Service): boolean {
  if (a.metadata.uid === b.metadata.uid) return false
  const age = ({ metadata }: Service): string => `${metadata.creationTimestamp ?? ''} ${metadata.uid ?? ''}`
  return age(a) < age(b)
}
