import { Agent, request } from 'node:https'
import type { IncomingHttpHeaders } from 'node:http'
import type { Fixture } from './fixture.ts'

export interface Answer {
  code: number
  headers: IncomingHttpHeaders
  text: string
  /** The body as JSON; throws when it is none. */
  // oxlint-disable-next-line no-explicit-any -- tests look into bodies of every kind
  json(): any
}

/** Plain HTTPS requests to a fixture, as any client would make them. */
export function httpFor(fixture: Fixture) {
  const agent = new Agent({ ca: fixture.tls.ca, keepAlive: false })
  return (
    method: string,
    path: string,
    options: { body?: string | Uint8Array | object; headers?: Record<string, string>; anonymous?: boolean } = {},
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { body, headers = {} } = options
      const bytes =
        body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
      const sent = request(
        `${fixture.url}${path}`,
        {
          agent,
          method,
          headers: {
            ...(options.anonymous ? {} : { authorization: `Bearer ${fixture.token}` }),
            ...(bytes === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(bytes)) }),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString()
            resolve({ code: response.statusCode ?? 0, headers: response.headers, text, json: () => JSON.parse(text) })
          })
        },
      )
      sent.on('error', reject)
      sent.end(bytes)
    })
}
