import type { KubeObject } from '../api/object.ts'
import type { Target } from '../registry/options.ts'
import { isTrue } from './request-info.ts'

const kinds: Readonly<Record<string, string>> = {
  'pods/exec': 'PodExecOptions',
  'pods/attach': 'PodAttachOptions',
  'pods/portforward': 'PodPortForwardOptions',
  'pods/proxy': 'PodProxyOptions',
  'services/proxy': 'ServiceProxyOptions',
  'nodes/proxy': 'NodeProxyOptions',
}

/** What admission sees of a connection (core/v1 PodExecOptions and its like); undefined for log, which only reads. */
export function connectOptions(target: Target, query: URLSearchParams, tail: string): KubeObject | undefined {
  const kind = kinds[`${target.definition.resource}/${target.subresource}`]
  if (!kind) return undefined
  const flags = ['stdin', 'stdout', 'stderr', 'tty'].filter((name) => isTrue(query.get(name)))
  const container = query.get('container')
  const command = query.getAll('command')
  const ports = query.getAll('ports').flatMap((list) => list.split(',').map(Number))
  return {
    apiVersion: 'v1',
    kind,
    metadata: {},
    ...Object.fromEntries(flags.map((name) => [name, true])),
    ...(container ? { container } : {}),
    ...(command.length > 0 ? { command } : {}),
    ...(ports.length > 0 ? { ports } : {}),
    ...(tail ? { path: `/${tail}` } : {}),
  } as KubeObject
}
