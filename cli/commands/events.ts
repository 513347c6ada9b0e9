import type { RestClient } from '../../src/client/rest-client.ts'
import type { Event } from '../../src/api/kinds.ts'
import { age } from '../../src/lib/duration.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { apiVersionOf } from '../discovery.ts'
import { listAll } from '../list-all.ts'
import { outputOf, outputOptions, printAsAsked } from '../output-format.ts'
import { printTable } from '../printers/table.ts'
import { namespaceOf, namespaceOptions, objectTarget } from '../targets.ts'
import { jsonLines } from '../watch-lines.ts'

export const eventsCommand: CommandDefinition = {
  name: 'events',
  summary: 'What happened, oldest first',
  options: [
    ...namespaceOptions,
    { flags: '-A, --all-namespaces', summary: 'of all namespaces' },
    { flags: '--for <type/name>', summary: 'only of this object' },
    { flags: '--types <types>', summary: 'only of these types: Normal, Warning' },
    { flags: '-w, --watch', summary: 'go on printing what happens' },
    ...outputOptions,
    { flags: '--no-headers', summary: 'leave the header out' },
    { flags: '--chunk-size <count>', summary: 'how many to ask for at a time; 0 is all', integer: true, default: 500 },
  ],
  examples: `Examples:
  stormo events --for pod/web-0 --watch
  stormo events -A --types=Warning`,
  run: (invocation) => withClient(invocation, (client) => events(invocation, client)),
}

const resource = {
  group: '',
  version: 'v1',
  resource: 'events',
  singular: 'event',
  kind: 'Event',
  namespaced: true,
  shortNames: ['ev'],
  categories: [],
  verbs: [],
  subresources: [],
}

async function events(invocation: Invocation, client: RestClient): Promise<number> {
  const { io } = invocation
  const types = typesOf(invocation)
  const all = option.flag(invocation, 'allNamespaces')
  const namespace = namespaceOf(invocation, client)
  const path = all ? '/api/v1/events' : `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`
  const fieldSelector = await selectorOf(invocation, client)
  const isWanted = (event: Event): boolean => types === undefined || types.includes(event.type ?? '')
  const { metadata } = await client.json<{ metadata: { resourceVersion: string } }>({ path, query: { limit: '1' } })
  const target = { resource, name: undefined }
  const chunkSize = option.integer(invocation, 'chunkSize') ?? 500
  const listed = (await listAll(client, path, { fieldSelector }, target, chunkSize)) as Event[]
  const found = listed.filter(isWanted).toSorted((a, b) => lastTime(a).localeCompare(lastTime(b)))
  const watches = option.flag(invocation, 'watch')
  if (found.length === 0 && !watches) {
    io.err(all ? 'No events found.\n' : `No events found in ${namespace} namespace.\n`)
    return 0
  }
  const output = outputOf(invocation)
  if (output !== undefined) {
    const list = { apiVersion: 'v1', kind: 'EventList', metadata: {}, items: found }
    io.out(printAsAsked(invocation, list) ?? found.map(nameLine).join(''))
    return 0
  }
  const row = (event: Event): string[] => rowOf(event, all, Date.now())
  const header = ['LAST SEEN', 'TYPE', 'REASON', 'OBJECT', 'MESSAGE']
  const isHeaded = invocation.options['headers'] !== false
  io.out(printTable(isHeaded ? [...(all ? ['NAMESPACE'] : []), ...header] : [], found.map(row)))
  if (watches)
    await follow(invocation, client, path, { fieldSelector, resourceVersion: metadata.resourceVersion }, (event) => {
      if (isWanted(event)) io.out(printTable([], [row(event)]))
    })
  return 0
}

async function follow(
  invocation: Invocation,
  client: RestClient,
  path: string,
  query: Record<string, string | undefined>,
  use: (event: Event) => void,
): Promise<void> {
  const { signal } = invocation.io
  try {
    const answer = await client.stream({ path, query: { ...query, watch: 'true' }, signal })
    for await (const { type, object } of jsonLines<{ type: string; object: Event }>(answer))
      if (type === 'ADDED' || type === 'MODIFIED') use(object)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

const nameLine = ({ metadata }: Event): string => `event/${metadata.name}\n`

function typesOf(invocation: Invocation): string[] | undefined {
  const text = option.text(invocation, 'types')
  if (text === undefined) return undefined
  return text.split(',').map((type) => {
    const found = ['Normal', 'Warning'].find((one) => one.toLowerCase() === type.toLowerCase())
    if (found === undefined) throw new UsageError('valid --types are Normal or Warning')
    return found
  })
}

async function selectorOf(invocation: Invocation, client: RestClient): Promise<string | undefined> {
  const text = option.text(invocation, 'for')
  if (text === undefined) return undefined
  const { resource: type, name } = await objectTarget(client, [text])
  const apiVersion = apiVersionOf(type)
  return `involvedObject.kind=${type.kind},involvedObject.apiVersion=${apiVersion},involvedObject.name=${name}`
}

const lastTime = (event: Event): string =>
  event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp ?? ''

function rowOf(event: Event, withNamespace: boolean, nowMs: number): string[] {
  const first = age(event.firstTimestamp ?? event.eventTime ?? undefined, nowMs)
  const last = age(lastTime(event), nowMs)
  const count = event.series?.count ?? event.count ?? 1
  const { kind, name } = event.involvedObject
  return [
    ...(withNamespace ? [event.metadata.namespace ?? ''] : []),
    count > 1 ? `${last} (x${count} over ${first})` : first,
    event.type ?? '',
    event.reason ?? '',
    `${kind}/${name}`,
    (event.message ?? '').trim(),
  ]
}
