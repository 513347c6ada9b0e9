import { errors, StatusError } from '../api/status-error.ts'
import { must } from '../lib/assert.ts'
import type { Target } from '../registry/options.ts'
import type { Registry } from '../registry/registry.ts'
import { channel } from '../streams/channels.ts'
import type { NodeAccess } from '../streams/node-access.ts'
import { answerBytes } from './answer.ts'
import type { Exchange } from './exchange.ts'
import { listObject } from './view.ts'

/** The port at which kubelets answer HTTP elsewhere. Ours speak a protocol of their own; these paths are answered for them. */
const kubeletPort = '10250'
/** A summary of 250 pods is some 300 KiB. */
const maxSummaryBytes = 16 * 1024 * 1024

/** True when a proxied name of a node means its kubelet. */
export function isKubelet(target: Target, port: string): boolean {
  return target.definition.resource === 'nodes' && (port === '' || port === kubeletPort)
}

/** …/nodes/{name}/proxy/<path> for the paths of a kubelet that tools read: healthz, pods, stats/summary. */
export async function serveKubelet(
  { registry, nodes }: { registry: Registry; nodes: NodeAccess },
  exchange: Exchange,
  target: Target,
  name: string,
): Promise<void> {
  const { context, info, request } = exchange
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw errors.methodNotAllowed('what a kubelet says can only be read')
  await registry.get(context, { ...target, name, subresource: '' })
  const path = info.tail.replace(/\/$/, '')
  switch (path) {
    case 'healthz':
    case 'healthz/ping': {
      // Whoever gives figures is alive.
      await summaryOf(nodes, name, context.signal)
      return answerBytes(exchange, 200, Buffer.from('ok'), { 'content-type': 'text/plain; charset=utf-8' })
    }
    case 'stats/summary':
      return answerBytes(exchange, 200, await summaryOf(nodes, name, context.signal), {
        'content-type': 'application/json',
      })
    case 'pods': {
      const definition = must(registry.catalogue.preferred({ group: '', resource: 'pods' }), 'pods are built in')
      const everywhere = { definition, namespace: '', name: '', subresource: '' }
      const page = await registry.list(context, everywhere, { fieldSelector: `spec.nodeName=${name}` })
      const list = listObject(definition, page.items, {})
      return answerBytes(exchange, 200, Buffer.from(JSON.stringify(list)), { 'content-type': 'application/json' })
    }
    default:
      throw new StatusError('NotFound', 'the server could not find the requested resource', {})
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
