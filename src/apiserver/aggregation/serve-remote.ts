import { request as httpsRequest } from 'node:https'
import { errors } from '../../api/status-error.ts'
import type { Exchange } from '../exchange.ts'
import { forwardedHeaders, forward } from '../forwarding.ts'
import type { Upgrade } from '../handler.ts'
import type { Aggregator } from './aggregator.ts'
import type { RemoteApi } from './remote-api.ts'
import { remoteOptions, userHeaders } from './remote-client.ts'

/** The extension API that a path belongs to: `/apis/<group>/<version>` and all below it. */
export function remoteFor(aggregator: Aggregator, path: string): RemoteApi | undefined {
  const [prefix, group, version] = path.split('/').filter((part) => part !== '')
  return prefix === 'apis' && group && version ? aggregator.find(group, version) : undefined
}

/** Passes a request on to an extension API server, on behalf of the user whom we have authenticated and authorized. */
export async function serveRemote(
  aggregator: Aggregator,
  api: RemoteApi,
  exchange: Exchange,
  upgrade: Upgrade | undefined,
): Promise<void> {
  const { request, url, context } = exchange
  let endpoint
  try {
    endpoint = aggregator.endpoint(api)
  } catch (error) {
    throw errors.unavailable((error as Error).message)
  }
  const options = remoteOptions(api, endpoint, aggregator.identity)
  const sent = httpsRequest({
    ...options,
    agent: false,
    method: request.method ?? 'GET',
    path: `${url.pathname}${url.search}`,
    headers: {
      ...forwardedHeaders(request.headers, upgrade),
      ...userHeaders(context.user),
      host: `${options.servername}:${api.service.port}`,
    },
    signal: context.signal,
  })
  await forward(exchange, sent, upgrade)
}
