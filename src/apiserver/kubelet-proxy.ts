import type { Node, Pod } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { errors, StatusError } from '../api/status-error.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import { must } from '../lib/assert.ts'
import type { Target } from '../registry/options.ts'
import type { Registry } from '../registry/registry.ts'
import { channel } from '../streams/channels.ts'
import type { NodeAccess } from '../streams/node-access.ts'
import { answerBytes } from './answer.ts'
import { chooseContainer } from './containers.ts'
import type { Exchange } from './exchange.ts'
import { cadvisorMetrics, kubeletMetrics, resourceMetrics, type NodeFigures } from './kubelet-metrics.ts'
import { podLogOptions, serveLog } from './log-handler.ts'
import { listObject } from './view.ts'

/** The port at which kubelets answer HTTP elsewhere. Ours speak a protocol of their own; these paths are answered for them. */
const kubeletPort = '10250'
/** A summary of 250 pods is some 300 KiB. */
const maxSummaryBytes = 16 * 1024 * 1024

/** True when a proxied name of a node means its kubelet. */
export function isKubelet(target: Target, port: string): boolean {
  return target.definition.resource === 'nodes' && (port === '' || port === kubeletPort)
}

/**
 * …/nodes/{name}/proxy/<path> for the paths of a kubelet that tools read: health, pods, figures, metrics, its settings,
 * containers' logs and the machine's.
 */
export async function serveKubelet(
  { registry, nodes }: { registry: Registry; nodes: NodeAccess },
  exchange: Exchange,
  target: Target,
  name: string,
): Promise<void> {
  const { context, info, request, url } = exchange
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw errors.methodNotAllowed('what a kubelet says can only be read')
  const node = (await registry.get(context, { ...target, name, subresource: '' })) as Node & KubeObject
  const figures = async () => JSON.parse((await summaryOf(nodes, name, context.signal)).toString()) as NodeFigures
  const metrics = async (make: (figures: NodeFigures) => string) =>
    answerBytes(exchange, 200, Buffer.from(make(await figures())), { 'content-type': metricsType })
  const json = (body: object) =>
    answerBytes(exchange, 200, Buffer.from(JSON.stringify(body)), { 'content-type': 'application/json' })
  const pods = definitionOfPods(registry)
  const path = info.tail.replace(/\/$/, '')
  switch (path) {
    case 'healthz':
    case 'healthz/ping':
    case 'healthz/syncloop': {
      // Whoever gives figures is alive.
      await summaryOf(nodes, name, context.signal)
      return answerBytes(exchange, 200, Buffer.from('ok'), { 'content-type': 'text/plain; charset=utf-8' })
    }
    case 'stats/summary':
      return answerBytes(exchange, 200, await summaryOf(nodes, name, context.signal), {
        'content-type': 'application/json',
      })
    case 'metrics':
      return metrics(kubeletMetrics)
    case 'metrics/resource':
      return metrics(resourceMetrics)
    case 'metrics/cadvisor':
      return metrics(cadvisorMetrics)
    case 'configz':
      return json({ kubeletconfig: settingsOf(node) })
    case 'pods':
    case 'runningpods': {
      const everywhere = { definition: pods, namespace: '', name: '', subresource: '' }
      const phase = path === 'runningpods' ? ',status.phase=Running' : ''
      const page = await registry.list(context, everywhere, { fieldSelector: `spec.nodeName=${name}${phase}` })
      return json(listObject(pods, page.items, {}))
    }
  }
  if (path === 'logs' || path.startsWith('logs/')) {
    const log = path.slice('logs/'.length)
    const type = log === '' || info.tail.endsWith('/') ? 'text/html; charset=utf-8' : 'text/plain'
    return serveLog(nodes, name, { kind: 'systemLog', path: log }, exchange, undefined, type)
  }
  const [kind, namespace, pod, container, ...rest] = path.split('/')
  if (kind !== 'containerLogs' || !namespace || !pod || !container || rest.length > 0) throw notThere()
  const there = { definition: pods, namespace, name: pod, subresource: '' }
  const found = (await registry.get(context, there)) as Pod & KubeObject
  if (found.spec?.nodeName !== name) throw notThere()
  const options = podLogOptions(url.searchParams, chooseContainer(found, container))
  const uid = found.metadata.uid ?? ''
  return serveLog(nodes, name, { kind: 'log', namespace, pod, uid, options }, exchange)
}

const metricsType = 'text/plain; version=0.0.4; charset=utf-8'

const definitionOfPods = (registry: Registry): ResourceDefinition =>
  must(registry.catalogue.preferred({ group: '', resource: 'pods' }), 'pods are built in')

const notThere = () => new StatusError('NotFound', 'the server could not find the requested resource', {})

/** The settings of a KubeletConfiguration that hold for a node. */
function settingsOf({ spec, status }: Node): object {
  return {
    kind: 'KubeletConfiguration',
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    maxPods: Number(status?.capacity?.['pods'] ?? 0),
    podCIDR: spec?.podCIDR ?? '',
    registerWithTaints: spec?.taints ?? [],
  }
}

async function summaryOf(nodes: NodeAccess, name: string, signal: AbortSignal): Promise<Buffer> {
  const channels = await nodes.open(name, { kind: 'stats' }, signal)
  const parts: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const { channel: number, data } of channels.frames) {
      if (number !== channel.stdout || data === undefined) continue
      bytes += data.length
      if (bytes > maxSummaryBytes) throw errors.internal(`more than ${maxSummaryBytes} bytes of figures`)
      parts.push(data)
    }
  } finally {
    channels.close()
  }
  return Buffer.concat(parts)
}
