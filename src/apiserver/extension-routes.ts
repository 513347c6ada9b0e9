import type { UserInfo } from '../api/kinds.ts'

export interface ExtensionRequest {
  method: string
  url: URL
  headers: Readonly<Record<string, string | string[] | undefined>>
  user: UserInfo
  signal: AbortSignal
  /** The whole body; throws RequestEntityTooLarge past 3 MB. */
  body(): Promise<Buffer>
  /** The body as it comes, without a limit: for large uploads. */
  stream: AsyncIterable<Uint8Array>
}

export interface ExtensionResponse {
  code: number
  /** An object is sent as JSON; bytes and streams as they are. */
  body?: object | Uint8Array | AsyncIterable<Uint8Array>
  contentType?: string
}

/** A path of the agent's own, such as /stormo/v1/status. The handler throws StatusError to refuse. */
export interface ExtensionRoute {
  /** The path itself, and everything below it. */
  path: string
  /** Skips authentication and authorization: the handler checks its callers itself (join tokens). */
  public?: boolean
  handler(request: ExtensionRequest): Promise<ExtensionResponse>
}

/** The route with the longest matching path. */
export function findRoute(routes: readonly ExtensionRoute[], path: string): ExtensionRoute | undefined {
  return routes
    .filter((route) => path === route.path || path.startsWith(route.path.endsWith('/') ? route.path : `${route.path}/`))
    .sort((a, b) => b.path.length - a.path.length)[0]
}
