import { request } from 'node:https'
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
    const target = await targetOf(config, resolveService)
    const body = JSON.stringify(review)
    const text = await post(target, body, signal ? AbortSignal.any([signal, deadline]) : deadline)
    return JSON.parse(text) as unknown
  }
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
    const { servername, ...where } = target
    const headers = {
      host: servername,
      'content-type': 'application/json',
      accept: 'application/json',
      'content-length': Buffer.byteLength(body),
    }
    const outgoing = request({ ...where, servername, method: 'POST', headers, signal }, (response) => {
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
