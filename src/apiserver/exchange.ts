import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { RequestContext } from '../registry/ports.ts'
import type { AuditTrail } from './audit/audit.ts'
import type { RequestInfo } from './request-info.ts'

export type Request = IncomingMessage | Http2ServerRequest
export type Response = ServerResponse | Http2ServerResponse

/** One request on its way through the server. */
export interface Exchange {
  readonly request: Request
  readonly response: Response
  readonly url: URL
  readonly info: RequestInfo
  readonly context: RequestContext & { readonly signal: AbortSignal }
  /** For Warning headers; bounded by the answer. */
  readonly warnings: string[]
  /** What is said of it in the audit log; known once the caller is. */
  audit: AuditTrail
}

/** First value of a header. */
export function header(request: Request, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}
