import { request, type RequestOptions } from 'node:https'
import type { UserInfo } from '../../api/kinds.ts'
import type { RemoteApi } from './remote-api.ts'
import type { RemoteEndpoint } from './remote-endpoint.ts'

/** The certificate by which extension API servers know that it is us who speak for the user. */
export interface FrontProxyIdentity {
  readonly certPem: string
  readonly keyPem: string
}

/** Documents of extension servers are a few hundred KB; what is larger is no document. */
const maxDocumentBytes = 16 * 1024 * 1024
const documentTimeoutMs = 5000

/** How an extension API server is spoken to: at an endpoint, under its Service's name, by our certificate. */
export function remoteOptions(
  api: RemoteApi,
  { host, port }: RemoteEndpoint,
  identity: FrontProxyIdentity,
): RequestOptions {
  return {
    host,
    port,
    servername: `${api.service.name}.${api.service.namespace}.svc`,
    cert: identity.certPem,
    key: identity.keyPem,
    rejectUnauthorized: !api.insecure,
    ...(api.caPem ? { ca: api.caPem } : {}),
  }
}

/** The headers that say on whose behalf a request is made (authenticating proxy). */
export function userHeaders({
  username = '',
  uid,
  groups = [],
  extra = {},
}: UserInfo): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { 'x-remote-user': username, 'x-remote-group': groups }
  if (uid) headers['x-remote-uid'] = uid
  for (const [key, values] of Object.entries(extra)) headers[`x-remote-extra-${encodeURIComponent(key)}`] = values
  return headers
}

/** Whom the extension server sees when it is not a user who asks. */
const aggregatorUser: UserInfo = { username: 'system:kube-aggregator', groups: ['system:masters'] }

/** GET of a JSON document; undefined for 404. Rejects for every other answer, and after five seconds. */
export function fetchDocument(
  api: RemoteApi,
  endpoint: RemoteEndpoint,
  identity: FrontProxyIdentity,
  path: string,
  signal: AbortSignal,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...remoteOptions(api, endpoint, identity),
        path,
        agent: false,
        headers: { accept: 'application/json', ...userHeaders(aggregatorUser) },
        signal: AbortSignal.any([signal, AbortSignal.timeout(documentTimeoutMs)]),
      },
      (response) => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > maxDocumentBytes) sent.destroy(new Error(`${path} is larger than ${maxDocumentBytes} bytes`))
          else chunks.push(chunk)
        })
        response.on('error', reject)
        response.on('end', () => {
          if (response.statusCode === 404) return resolve(undefined)
          if (response.statusCode !== 200) return reject(new Error(`bad status from ${path}: ${response.statusCode}`))
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')))
          } catch (error) {
            reject(error as Error)
          }
        })
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}
