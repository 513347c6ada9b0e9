import type { KubeObject } from '../src/api/object.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { type Invocation, option, UsageError } from './command.ts'
import type { Wanted } from './commands/get.ts'
import { apiVersionOf, displayName, pathOf } from './discovery.ts'
import { printAsAsked } from './output-format.ts'
import { printTable } from './printers/table.ts'
import { type ServerTable, tableAccept, tableCells, type TableView } from './server-table.ts'
import { jsonLines } from './watch-lines.ts'

export interface WatchView {
  output: string | undefined
  isTable: boolean
  view: TableView
}

type Listed = ServerTable & { items?: KubeObject[]; metadata: { resourceVersion: string } }

/** Prints what is there, then each change, until interrupted; a watch that the server ends is taken up again. */
export async function watchObjects(
  invocation: Invocation,
  client: RestClient,
  wanted: readonly Wanted[],
  { output, isTable, view }: WatchView,
): Promise<number> {
  const { io } = invocation
  const [first] = wanted
  if (!first || wanted.length > 1) throw new UsageError('you may only specify a single resource type')
  const { resource, name, namespace } = first
  const path = pathOf(resource, namespace)
  const query = {
    labelSelector: option.text(invocation, 'selector'),
    fieldSelector: name === undefined ? option.text(invocation, 'fieldSelector') : `metadata.name=${name}`,
  }
  const withEvents = option.flag(invocation, 'outputWatchEvents')
  let columns: ServerTable['columnDefinitions'] = []
  let isFirst = invocation.options['headers'] !== false
  const showTable = (type: string, table: ServerTable): void => {
    if (table.columnDefinitions?.length > 0) columns = table.columnDefinitions
    const { header, rows } = tableCells({ columnDefinitions: columns, rows: table.rows }, view)
    if (rows.length === 0) return
    const titled = withEvents ? ['EVENT', ...header] : header
    io.out(printTable(isFirst ? titled : [], withEvents ? rows.map((row) => [type, ...row]) : rows))
    isFirst = false
  }
  const showObject = (type: string, object: KubeObject): void => {
    const shown = withEvents && output !== 'name' ? { type, object } : object
    const text =
      output === 'name' ? `${displayName(resource, object.metadata.name ?? '')}\n` : printAsAsked(invocation, shown)
    io.out(text ?? '')
  }
  const accept = isTable ? tableAccept : 'application/json'
  const list = async (): Promise<Listed> => {
    // A name that is not there is an error at once, as without a watch.
    if (name !== undefined) await client.send({ path: pathOf(resource, namespace, name) })
    return await client.json<Listed>({ path, query, accept })
  }
  const listed = await list()
  if (!option.flag(invocation, 'watchOnly')) {
    if (isTable) showTable('ADDED', listed)
    else for (const item of listed.items ?? []) showObject('ADDED', withType(item, first))
  }
  let { resourceVersion } = listed.metadata
  while (!io.signal.aborted) {
    try {
      const watchQuery = { ...query, watch: 'true', resourceVersion }
      const answer = await client.stream({ path, query: watchQuery, accept, signal: io.signal })
      for await (const event of jsonLines<{ type: string; object: KubeObject & ServerTable }>(answer)) {
        if (event.type === 'ERROR') throw new UsageError((event.object as unknown as { message: string }).message)
        const object = isTable ? event.object.rows[0]?.object : event.object
        resourceVersion = object?.metadata.resourceVersion ?? resourceVersion
        if (isTable) showTable(event.type, event.object)
        else showObject(event.type, event.object)
      }
    } catch (error) {
      if (!io.signal.aborted) throw error
    }
  }
  return 0
}

const withType = (object: KubeObject, { resource }: Wanted): KubeObject => ({
  ...object,
  apiVersion: apiVersionOf(resource),
  kind: resource.kind,
})
