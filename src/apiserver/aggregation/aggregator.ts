import type { APIResource, APIResourceList, APIService } from '../../api/kinds.ts'
import { serviceNameLabel } from '../../api/endpoint-slice.ts'
import type { KubeObject } from '../../api/object.ts'
import { refs, type Client } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { Clock, Random, Timer } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Service } from '../../lib/service.ts'
import { timestamp } from '../../registry/metadata.ts'
import { documentHash } from '../schema-openapi.ts'
import { openApiV3From, type OpenApiV2 } from './openapi-conversion.ts'
import { passed, remoteApiOf, Unavailable, withAvailability, type Availability, type RemoteApi } from './remote-api.ts'
import { fetchDocument, type FrontProxyIdentity } from './remote-client.ts'
import { findEndpoint, type RemoteEndpoint } from './remote-endpoint.ts'

/** An extension API as this node last saw it. */
export interface KnownRemote {
  readonly api: RemoteApi
  /** Its resources; undefined until it has answered once. What it was stays while it cannot be reached. */
  readonly resources: readonly APIResource[] | undefined
  readonly openapi: { v2: OpenApiV2 | undefined; v3: { json: string; hash: string } | undefined }
  readonly availability: Availability
}

/** Keeps what extension API servers offer, on every node for itself: requests are passed on by the node that got them. */
export interface Aggregator extends Service {
  readonly identity: FrontProxyIdentity
  all(): readonly KnownRemote[]
  find(group: string, version: string): RemoteApi | undefined
  /** Throws {@link Unavailable}. */
  endpoint(api: RemoteApi): RemoteEndpoint
  /** Grows with each change of what is offered. */
  revision(): number
}

export interface AggregatorOptions {
  informers: Informers
  /** Writes the Available conditions. */
  client: Client
  /** One node writes them: the leader. */
  writesStatus(): boolean
  identity: FrontProxyIdentity
  clock: Clock
  random: Random
  log: Logger
}

const ref = { group: 'apiregistration.k8s.io', resource: 'apiservices' }
const refreshMs = 30_000
/** An API that does not answer is looked at more often: somebody is waiting for it. */
const retryMs = 3000
const settleMs = 50

interface Entry extends KnownRemote {
  timer: Timer | undefined
  isRunning: boolean
  isDirty: boolean
}

export function createAggregator(options: AggregatorOptions): Aggregator {
  const { informers, client, identity, clock, random, log } = options
  const services = informers.for<APIService & KubeObject>(ref)
  const entries = new Map<string, Entry>()
  const stopping = new AbortController()
  const stops: (() => void)[] = []
  let revision = 1

  function sync(): void {
    const wanted = new Map(
      services.list().flatMap((service) => {
        const api = remoteApiOf(service)
        return api && !service.metadata.deletionTimestamp ? [[api.name, api] as const] : []
      }),
    )
    for (const [name, entry] of entries) if (!wanted.has(name)) forget(name, entry)
    for (const [name, api] of wanted) {
      const known = entries.get(name)
      if (known && JSON.stringify(known.api) === JSON.stringify(api)) continue
      if (known) forget(name, known)
      entries.set(name, {
        api,
        resources: undefined,
        openapi: { v2: undefined, v3: undefined },
        availability: { available: false, reason: 'Unknown', message: 'not asked yet' },
        timer: undefined,
        isRunning: false,
        isDirty: false,
      })
      revision++
      schedule(name, 0)
    }
  }

  function forget(name: string, entry: Entry): void {
    entry.timer?.cancel()
    entries.delete(name)
    revision++
  }

  function schedule(name: string, delayMs: number): void {
    const entry = entries.get(name)
    if (!entry || stopping.signal.aborted) return
    if (entry.isRunning) {
      entry.isDirty = true
      return
    }
    entry.timer?.cancel()
    entry.timer = clock.after(delayMs, () => void refresh(name))
  }

  async function refresh(name: string): Promise<void> {
    const entry = entries.get(name)
    if (!entry || entry.isRunning) return
    entry.isRunning = true
    entry.isDirty = false
    const found = await look(entry.api)
    entry.isRunning = false
    if (entries.get(name) !== entry || stopping.signal.aborted) return
    const before = JSON.stringify([entry.resources, entry.openapi, entry.availability])
    Object.assign(entry, found)
    if (JSON.stringify([entry.resources, entry.openapi, entry.availability]) !== before) revision++
    await report(entry)
    schedule(name, entry.isDirty ? settleMs : entry.availability.available ? refreshMs : retryMs)
  }

  /** What the extension server says of itself; only its availability when it does not answer. */
  async function look(api: RemoteApi): Promise<Partial<KnownRemote>> {
    try {
      const endpoint = findEndpoint(informers, api, random)
      const get = (path: string) => fetchDocument(api, endpoint, identity, path, stopping.signal)
      const path = `/apis/${api.group}/${api.version}`
      const list = (await get(path).catch((error: Error) => {
        const url = `https://${endpoint.host}:${endpoint.port}${path}`
        throw new Unavailable('FailedDiscoveryCheck', `failing or missing response from ${url}: ${error.message}`)
      })) as APIResourceList | undefined
      const openapi = await documentsOf(api, get)
      return { resources: list?.resources ?? [], openapi, availability: passed }
    } catch (error) {
      const reason = error instanceof Unavailable ? error.reason : 'FailedDiscoveryCheck'
      return { availability: { available: false, reason, message: (error as Error).message } }
    }
  }

  async function report({ api, availability }: Entry): Promise<void> {
    const stored = services.get('', api.name)
    if (!options.writesStatus() || !stored) return
    if (!withAvailability(stored, availability, timestamp(clock.nowMs()))) return
    try {
      await client.mutate<APIService & KubeObject>(
        ref,
        '',
        api.name,
        (current) => withAvailability(current, availability, timestamp(clock.nowMs())),
        { subresource: 'status', signal: stopping.signal },
      )
    } catch (error) {
      log.debug({ apiService: api.name, error: String(error) }, 'availability not written')
    }
  }

  const concerned = (namespace: string, name: string): void => {
    for (const { api } of entries.values()) {
      if (api.service.namespace === namespace && api.service.name === name) schedule(api.name, settleMs)
    }
  }

  return {
    identity,
    async start() {
      stops.push(
        services.onChange(sync),
        informers.for(refs.services).onChange(({ namespace, name }) => concerned(namespace, name)),
        informers.for(refs.endpointSlices).onChange(({ object, previous, namespace }) => {
          const label = (object ?? previous)?.metadata.labels?.[serviceNameLabel]
          if (label) concerned(namespace, label)
        }),
      )
      sync()
    },
    async stop() {
      stopping.abort()
      for (const stop of stops.splice(0)) stop()
      for (const entry of entries.values()) entry.timer?.cancel()
      entries.clear()
    },
    all: () => [...entries.values()],
    find: (group, version) =>
      [...entries.values()].find(({ api }) => api.group === group && api.version === version)?.api,
    endpoint: (api) => findEndpoint(informers, api, random),
    revision: () => revision,
  }
}

/** Its OpenAPI: v3 where it has it, made of v2 where it is older than that. Without any it is served undescribed. */
async function documentsOf(
  api: RemoteApi,
  get: (path: string) => Promise<unknown>,
): Promise<{ v2: OpenApiV2 | undefined; v3: { json: string; hash: string } | undefined }> {
  const optional = (path: string) => get(path).catch(() => undefined)
  const v2 = (await optional('/openapi/v2')) as OpenApiV2 | undefined
  const direct = await optional(`/openapi/v3/apis/${api.group}/${api.version}`)
  const v3 = direct ?? (v2 && openApiV3From(v2, `/apis/${api.group}/${api.version}`))
  const json = v3 && JSON.stringify(v3)
  return { v2, v3: json ? { json, hash: documentHash(json) } : undefined }
}
