import type { KubeObject } from '../../src/api/object.ts'
import { StatusError } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { type ApiResource, displayName, pathOf } from '../discovery.ts'
import { listAll, listTable } from '../list-all.ts'
import { manifestSources, readManifests } from '../manifests.ts'
import { outputOf, outputOptions, printAsAsked } from '../output-format.ts'
import { isTableFormat } from '../printers/object.ts'
import { paint, paletteOf } from '../printers/colour.ts'
import { printTable } from '../printers/table.ts'
import { reportError } from '../report-error.ts'
import { plainTable, type ServerTable, tableCells, type TableView } from '../server-table.ts'
import { sortObjects } from '../sort-objects.ts'
import { namespaceOf, namespaceOptions, targetsOf } from '../targets.ts'
import { watchObjects } from '../watch-objects.ts'
import { fileOptions, prepare } from '../write-manifests.ts'

export const getCommand: CommandDefinition = {
  name: 'get',
  arguments: '[type] [name...]',
  summary: 'Display one or many objects',
  options: [
    ...namespaceOptions,
    ...fileOptions,
    { flags: '-A, --all-namespaces', summary: 'objects of all namespaces' },
    ...outputOptions,
    { flags: '-l, --selector <selector>', summary: 'only objects with these labels' },
    { flags: '--field-selector <selector>', summary: 'only objects with these fields' },
    { flags: '-w, --watch', summary: 'go on printing changes' },
    { flags: '--watch-only', summary: 'print changes only, not what is there' },
    { flags: '--output-watch-events', summary: 'with --watch: say of each line what happened' },
    { flags: '-L, --label-columns <keys>', summary: 'labels to print as columns', repeatable: true },
    { flags: '--show-labels', summary: 'print labels as the last column' },
    { flags: '--show-kind', summary: 'print the type before each name' },
    { flags: '--sort-by <jsonpath>', summary: 'sort by this field, for example .metadata.name' },
    { flags: '--chunk-size <count>', summary: 'how many to ask for at a time; 0 is all', integer: true, default: 500 },
    { flags: '--subresource <name>', summary: 'of the objects: status, scale or resize' },
    { flags: '--server-print', summary: "with the server's own columns (default true)" },
    { flags: '--no-server-print', summary: 'with name and age only' },
    { flags: '--raw <path>', summary: 'print what the server answers to this path' },
    { flags: '--no-headers', summary: 'leave the header out' },
    { flags: '--ignore-not-found', summary: 'an object that is not there is no error' },
  ],
  examples: `Examples:
  stormo get pods -o wide
  stormo get all -A
  stormo get deployment/web service/web -o yaml
  stormo get pods -L app --sort-by=.status.startTime`,
  run: (invocation) => withClient(invocation, (client) => get(invocation, client)),
}

/** An object, or all objects of a resource in a namespace (undefined: in all). */
export interface Wanted {
  resource: ApiResource
  name: string | undefined
  namespace: string | undefined
}

async function get(invocation: Invocation, client: RestClient): Promise<number> {
  const { io } = invocation
  const raw = option.text(invocation, 'raw')
  if (raw !== undefined) {
    io.out((await client.send({ path: raw })).text)
    return 0
  }
  const wanted = await wantedOf(invocation, client)
  const output = outputOf(invocation)
  const isTable = isTableFormat(output)
  if (option.flag(invocation, 'watch') || option.flag(invocation, 'watchOnly'))
    return await watchObjects(invocation, client, wanted, { output, isTable, view: viewOf(invocation, wanted[0]!) })
  return isTable ? await getTables(invocation, client, wanted) : await getObjects(invocation, client, wanted, output)
}

async function wantedOf(invocation: Invocation, client: RestClient): Promise<Wanted[]> {
  const sources = manifestSources(invocation)
  if (sources.length > 0) {
    const manifests = await readManifests(sources, option.flag(invocation, 'recursive'), invocation.io)
    const { manifests: prepared, failures } = await prepare(invocation, client, manifests)
    if (failures.length > 0) throw new UsageError(failures.join('\n'))
    return prepared.map(({ resource, namespace, object }) => ({ resource, namespace, name: object.metadata.name }))
  }
  if (invocation.args.length === 0) {
    invocation.io.err(
      'You must specify the type of resource to get. Use "stormo api-resources" for a complete list of supported resources.\n\n',
    )
    throw new UsageError(
      'Required resource not specified.\nUse "stormo explain <resource>" for a detailed description of that resource (e.g. stormo explain pods).\nSee \'stormo get -h\' for help and examples',
    )
  }
  const { targets } = await targetsOf(client, invocation.args)
  if (option.text(invocation, 'selector') !== undefined && targets.some(({ name }) => name !== undefined))
    throw new UsageError('name cannot be provided when a selector is specified')
  const all = option.flag(invocation, 'allNamespaces')
  if (all && targets.some(({ name }) => name !== undefined))
    throw new UsageError('a resource cannot be retrieved by name across all namespaces')
  const namespace = all ? undefined : namespaceOf(invocation, client)
  return targets.map((target) => ({ ...target, namespace }))
}

/** Asks for each in turn; a refusal is told, and the others are still shown. Returns whether all were there. */
async function eachWanted(
  invocation: Invocation,
  wanted: readonly Wanted[],
  use: (one: Wanted, path: string, query: Record<string, string | undefined>) => Promise<void>,
): Promise<boolean> {
  let allFound = true
  const query = {
    labelSelector: option.text(invocation, 'selector'),
    fieldSelector: option.text(invocation, 'fieldSelector'),
  }
  for (const one of wanted) {
    try {
      const path = pathOf(one.resource, one.namespace, one.name, option.text(invocation, 'subresource'))
      await use(one, path, one.name === undefined ? query : {})
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      if (error.reason === 'NotFound' && option.flag(invocation, 'ignoreNotFound')) continue
      reportError(invocation.io, error)
      allFound = false
    }
  }
  return allFound
}

async function getObjects(
  invocation: Invocation,
  client: RestClient,
  wanted: readonly Wanted[],
  output: string | undefined,
): Promise<number> {
  const { io } = invocation
  const found: { resource: ApiResource; object: KubeObject }[] = []
  const chunkSize = option.integer(invocation, 'chunkSize') ?? 500
  const allFound = await eachWanted(invocation, wanted, async (one, path, query) => {
    const objects = await listAll(client, path, query, one, chunkSize)
    found.push(...objects.map((object) => ({ resource: one.resource, object })))
  })
  const sortBy = option.text(invocation, 'sortBy')
  const sorted = sortBy === undefined ? found : sortObjects(found, sortBy, ({ object }) => object)
  if (output === 'name')
    io.out(sorted.map(({ resource, object }) => `${displayName(resource, object.metadata.name ?? '')}\n`).join(''))
  else {
    const isOne = wanted.length === 1 && wanted[0]!.name !== undefined
    if (isOne && found.length === 0) return allFound ? 0 : 1
    const items = sorted.map(({ object }) => object)
    const shown = isOne ? items[0]! : { apiVersion: 'v1', items, kind: 'List', metadata: { resourceVersion: '' } }
    io.out(printAsAsked(invocation, shown) ?? '')
  }
  return allFound ? 0 : 1
}

interface FoundTable {
  wanted: Wanted
  table: ServerTable
}

async function getTables(invocation: Invocation, client: RestClient, wanted: readonly Wanted[]): Promise<number> {
  const { io } = invocation
  const isPlain = invocation.options['serverPrint'] === false
  const sortBy = option.text(invocation, 'sortBy')
  const chunkSize = option.integer(invocation, 'chunkSize') ?? 500
  const tables: FoundTable[] = []
  const allFound = await eachWanted(invocation, wanted, async (one, path, query) => {
    const table = isPlain
      ? plainTable(await listAll(client, path, query, one, chunkSize), Date.now())
      : await listTable(client, path, sortBy === undefined ? query : { ...query, includeObject: 'Object' }, chunkSize)
    const rows = sortBy === undefined ? table.rows : sortObjects(table.rows, sortBy, ({ object }) => object)
    tables.push({ wanted: one, table: { ...table, rows } })
  })
  io.out(printTables(invocation, tables))
  if (
    !option.flag(invocation, 'ignoreNotFound') &&
    tables.length > 0 &&
    tables.every(({ table }) => table.rows.length === 0)
  ) {
    const inNamespace = wanted.find(({ resource, namespace }) => resource.namespaced && namespace !== undefined)
    io.err(inNamespace ? `No resources found in ${inNamespace.namespace} namespace.\n` : 'No resources found\n')
  }
  return allFound ? 0 : 1
}

const viewOf = (invocation: Invocation, { resource, namespace }: Wanted): TableView => ({
  wide: outputOf(invocation) === 'wide',
  withNamespace: namespace === undefined && resource.namespaced,
  withLabels: option.flag(invocation, 'showLabels'),
  labelColumns: option.list(invocation, 'labelColumns').flatMap((keys) => keys.split(',')),
  ...(option.flag(invocation, 'showKind') ? { prefix: displayName(resource, '') } : {}),
})

/** One table a resource, parted by an empty line; of several resources each name says its type. */
function printTables(invocation: Invocation, tables: readonly FoundTable[]): string {
  const merged = new Map<string, FoundTable>()
  for (const { wanted, table } of tables) {
    if (table.rows.length === 0) continue
    const key = `${wanted.resource.resource}.${wanted.resource.group}`
    const before = merged.get(key)
    merged.set(key, {
      wanted,
      table: before ? { ...before.table, rows: [...before.table.rows, ...table.rows] } : table,
    })
  }
  const palette = paletteOf(invocation)
  const isMixed = new Set(tables.map(({ wanted }) => `${wanted.resource.resource}.${wanted.resource.group}`)).size > 1
  return [...merged.values()]
    .map(({ wanted, table }) => {
      const view = viewOf(invocation, wanted)
      const prefix = isMixed ? { prefix: displayName(wanted.resource, '') } : {}
      const { header, rows } = tableCells(table, { ...view, ...prefix })
      return paint(printTable(invocation.options['headers'] === false ? [] : header, rows), palette)
    })
    .join('\n')
}
