import { request } from 'node:https'
import { parseExact } from '../../lib/exact-json.ts'
import type { WebhookClientConfig } from '../../api/kinds.ts'
import type { WebhookTransport } from './review.ts'

/** Where a Service answers from this machine: an address and a port. Throws when there is no such Service. */
export type ResolveService = (service: {
  namespace: string
  name: string
  port: number
}) => Promise<{ host: string; port: number }>

/** Largest answer that is read; an object is at most half of it, and its patch no larger. */
const maxAnswerBytes = 3 * 1024 * 1024

/** Calls webhooks by HTTPS. A Service is called at its address, under the name `<name>.<namespace>.svc`. */
export function httpsTransport(resolveService: ResolveService): WebhookTransport {
  return async (config, review, { timeoutMs, signal }) => {
    const deadline = AbortSignal.timeout(timeoutMs)
    const target = withTimeout(await targetOf(config, resolveService), timeoutMs)
    const body = JSON.stringify(review)
    try {
      return parseExact(await post(target, body, signal ? AbortSignal.any([signal, deadline]) : deadline))
    } catch (error) {
      const why = deadline.aborted ? 'context deadline exceeded' : (error as Error).message
      throw new Error(`failed to call webhook: Post ${JSON.stringify(target.url)}: ${why}`, { cause: error })
    }
  }
}

/** The webhook is told how long it is waited for, as upstream does. */
function withTimeout(target: Target, timeoutMs: number): Target & { url: string } {
  const path = `${target.path}${target.path.includes('?') ? '&' : '?'}timeout=${timeoutMs / 1000}s`
  return { ...target, path, url: `https://${target.servername}:${target.port}${path}` }
}

interface Target {
  host: string
  port: number
  path: string
  servername: string
  ca?: string
}

async function targetOf(config: WebhookClientConfig, resolveService: ResolveService): Promise<Target> {
  const ca = config.caBundle ? Buffer.from(config.caBundle, 'base64').toString('utf8') : undefined
  if (config.url) {
    const url = new URL(config.url)
    const host = url.hostname.replaceAll(/^\[|\]$/g, '')
    return { host, port: Number(url.port || 443), path: `${url.pathname}${url.search}`, servername: host, ca }
  }
  if (!config.service) throw new Error('webhook has neither url nor service')
  const { namespace, name, path = '/', port = 443 } = config.service
  const address = await resolveService({ namespace, name, port })
  return { ...address, path, servername: `${name}.${namespace}.svc`, ca }
}

function post(target: Target, body: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const { servername, host, port, path, ca } = target
    const headers = {
      host: servername,
      'content-type': 'application/json',
      accept: 'application/json',
      'content-length': Buffer.byteLength(body),
    }
    const outgoing = request({ host, port, path, ca, servername, method: 'POST', headers, signal }, (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > maxAnswerBytes) outgoing.destroy(new Error(`webhook answered more than ${maxAnswerBytes} bytes`))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        if (response.statusCode === 200) resolve(text)
        else reject(new Error(`webhook answered ${response.statusCode}: ${text.slice(0, 200)}`))
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
