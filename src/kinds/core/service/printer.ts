import type { Service } from '../../../api/kinds.ts'
import { formatLabels } from '../../../lib/selector.ts'
import { ageColumn, column, nameColumn, wide } from '../../columns.ts'

function clusterIp({ spec }: Service): string {
  return spec?.clusterIPs?.[0] || spec?.clusterIP || '<none>'
}

function externalIp({ spec, status }: Service): string {
  const external = spec?.externalIPs ?? []
  switch (spec?.type) {
    case 'ExternalName':
      return spec.externalName ?? ''
    case 'LoadBalancer': {
      const ingress = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '')
      const all = [...ingress, ...external].filter((one) => one !== '')
      return all.length === 0 ? '<pending>' : all.join(',')
    }
    default:
      return external.length === 0 ? '<none>' : external.join(',')
  }
}

function portsOf({ spec }: Service): string {
  const ports = (spec?.ports ?? []).map(({ port, nodePort, protocol }) =>
    nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  )
  return ports.length === 0 ? '<none>' : ports.join(',')
}

export const serviceColumns = [
  nameColumn,
  column<Service>('Type', ({ spec }) => spec?.type ?? ''),
  column<Service>('Cluster-IP', clusterIp),
  column<Service>('External-IP', externalIp),
  column<Service>('Port(s)', portsOf),
  ageColumn,
  wide<Service>('Selector', ({ spec }) => formatLabels(spec?.selector)),
]
