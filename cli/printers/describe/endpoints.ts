import type { Endpoints, EndpointSlice, EndpointSubset } from '../../../src/api/kinds.ts'
import { eventLines } from './events.ts'
import { type DescribeContext, headLines, indent } from './lines.ts'

export const describeEndpoints = (endpoints: Endpoints, context: DescribeContext): string[] => [
  ...headLines(endpoints),
  'Subsets:',
  ...(endpoints.subsets ?? []).flatMap((subset) => [...indent(1, subsetLines(subset)), '']),
  ...eventLines(context),
]

function subsetLines({ addresses = [], notReadyAddresses = [], ports = [] }: EndpointSubset): string[] {
  return [
    `Addresses:\t${addresses.map(({ ip }) => ip).join(',') || '<none>'}`,
    `NotReadyAddresses:\t${notReadyAddresses.map(({ ip }) => ip).join(',') || '<none>'}`,
    ...(ports.length > 0 ? ['Ports:', ...indent(1, portLines(ports))] : []),
  ]
}

const portLines = (ports: readonly { name?: string; port?: number; protocol?: string }[]): string[] => [
  'Name\tPort\tProtocol',
  '----\t----\t--------',
  ...ports.map(({ name, port, protocol }) => `${name || '<unset>'}\t${port ?? '<unset>'}\t${protocol ?? 'TCP'}`),
]

export function describeEndpointSlice(slice: EndpointSlice, context: DescribeContext): string[] {
  const { ports = [], endpoints = [] } = slice
  return [
    ...headLines(slice),
    `AddressType:\t${slice.addressType}`,
    ...(ports.length > 0 ? ['Ports:', ...indent(1, portLines(ports))] : ['Ports: <unset>']),
    ...(endpoints.length > 0 ? ['Endpoints:', ...indent(1, endpoints.flatMap(endpointLines))] : ['Endpoints: <none>']),
    ...eventLines(context),
  ]
}

const endpointLines = (endpoint: NonNullable<EndpointSlice['endpoints']>[number]): string[] => [
  `- Addresses:\t${endpoint.addresses.join(', ')}`,
  '  Conditions:',
  `    Ready:\t${endpoint.conditions?.ready ?? '<unset>'}`,
  `  Hostname:\t${endpoint.hostname ?? '<unset>'}`,
  ...(endpoint.targetRef ? [`  TargetRef:\t${endpoint.targetRef.kind}/${endpoint.targetRef.name}`] : []),
  `  NodeName:\t${endpoint.nodeName ?? '<unset>'}`,
  `  Zone:\t${endpoint.zone ?? '<unset>'}`,
]
