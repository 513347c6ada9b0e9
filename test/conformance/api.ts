import { readFile } from 'node:fs/promises'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { createInterface } from 'node:readline'
import { parse } from 'yaml'
import { must } from '../../src/lib/assert.ts'

// oxlint-disable-next-line no-explicit-any -- tests look into bodies of every kind
type Loose = any

export interface ApiAnswer {
  code: number
  headers: IncomingHttpHeaders
  bytes: Buffer
  /** The body as JSON, undefined when it is none. */
  body: Loose
}

export interface ApiRequest {
  body?: object | string | Uint8Array
  headers?: Record<string, string>
  /** Instead of the kubeconfig's own user. */
  token?: string
}

/** Plain HTTPS to the cluster of a kubeconfig. */
export interface Api {
  (method: string, path: string, options?: ApiRequest): Promise<ApiAnswer>
  /** As above, and throws when the answer is no success. Returns the body. */
  ok(method: string, path: string, body?: object, contentType?: string): Promise<Loose>
  /** Events of a watch, up to and with the first that `until` holds for. */
  watch(
    path: string,
    until: (event: Loose, seen: Loose[]) => boolean,
    headers?: Record<string, string>,
  ): Promise<Loose[]>
  close(): void
}

export const patchTypes = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const

const watchTimeoutMs = 45_000

export async function apiOf(kubeconfigPath: string): Promise<Api> {
  const config = parse(await readFile(kubeconfigPath, 'utf8')) as Loose
  const { cluster } = must(config.clusters[0], 'a cluster') as Loose
  const { user } = must(config.users[0], 'a user') as Loose
  const pem = (text: string | undefined) => (text === undefined ? undefined : Buffer.from(text, 'base64'))
  const credentials = { cert: pem(user['client-certificate-data']), key: pem(user['client-key-data']) }
  const ca = pem(cluster['certificate-authority-data'])
  const agent = new Agent({ ca, ...credentials, keepAlive: true })
  const withoutCertificate = new Agent({ ca, keepAlive: true })

  function send(method: string, path: string, options: ApiRequest = {}): Promise<IncomingMessage> {
    const { body, headers = {} } = options
    const bytes =
      body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
    const token = options.token ?? (user.token as string | undefined)
    return new Promise((resolve, reject) => {
      const sent = request(
        `${cluster.server}${path}`,
        {
          agent: options.token === undefined ? agent : withoutCertificate,
          method,
          headers: {
            ...(token ? { authorization: `Bearer ${token}` } : {}),
            ...(bytes === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(bytes)) }),
            ...headers,
          },
        },
        resolve,
      )
      sent.on('error', reject)
      sent.end(bytes)
    })
  }

  async function call(method: string, path: string, options: ApiRequest = {}): Promise<ApiAnswer> {
    const response = await send(method, path, options)
    const bytes = Buffer.concat(await Array.fromAsync(response as AsyncIterable<Buffer>))
    return { code: response.statusCode ?? 0, headers: response.headers, bytes, body: jsonOf(bytes) }
  }

  return Object.assign(call, {
    async ok(method: string, path: string, body?: object, contentType?: string) {
      const answer = await call(method, path, {
        body,
        ...(contentType ? { headers: { 'content-type': contentType } } : {}),
      })
      if (answer.code >= 300) throw new Error(`${method} ${path}: ${answer.code} ${answer.bytes.toString()}`)
      return answer.body
    },
    async watch(path: string, until: (event: Loose, seen: Loose[]) => boolean, headers?: Record<string, string>) {
      const response = await send('GET', path, { headers })
      const seen: Loose[] = []
      const late = AbortSignal.timeout(watchTimeoutMs)
      late.addEventListener('abort', () => response.destroy(new Error(`watch saw only ${JSON.stringify(seen)}`)))
      try {
        for await (const line of createInterface({ input: response })) {
          const event = JSON.parse(line) as Loose
          seen.push(event)
          if (until(event, seen)) return seen
        }
      } finally {
        response.destroy()
      }
      throw new Error(`the watch ended after ${JSON.stringify(seen)}`)
    },
    close() {
      agent.destroy()
      withoutCertificate.destroy()
    },
  })
}

function jsonOf(bytes: Buffer): Loose {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}
