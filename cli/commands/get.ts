import type { KubeObject } from '../../src/api/object.ts'
import { StatusError } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option } from '../command.ts'
import { withClient } from '../connection.ts'
import { type ApiResource, displayName, pathOf } from '../discovery.ts'
import { listAll } from '../list-all.ts'
import { printObject } from '../printers/object.ts'
import { printTable } from '../printers/table.ts'
import { type ServerTable, tableAccept, tableCells, type TableView } from '../server-table.ts'
import { namespaceOf, namespaceOptions, type Target, targetsOf } from '../targets.ts'
import { jsonLines } from '../watch-lines.ts'

export const getCommand: CommandDefinition = {
  name: 'get',
  arguments: '[type] [name...]',
  summary: 'Display one or many objects',
  options: [
    ...namespaceOptions,
    { flags: '-A, --all-namespaces', summary: 'objects of all namespaces' },
    { flags: '-o, --output <format>', summary: 'wide, yaml, json or name' },
    { flags: '-l, --selector <selector>', summary: 'only objects with these labels' },
    { flags: '--field-selector <selector>', summary: 'only objects with these fields' },
    { flags: '-w, --watch', summary: 'go on printing changes' },
    { flags: '--show-labels', summary: 'print labels as the last column' },
    { flags: '--no-headers', summary: 'leave the header out' },
    { flags: '--ignore-not-found', summary: 'an object that is not there is no error' },
  ],
  examples: `Examples:
  stormo get pods -o wide
  stormo get all -A
  stormo get deployment/web -o yaml`,
  run: (invocation) => withClient(invocation, (client) => get(invocation, client)),
}

async function get(invocation: Invocation, client: RestClient): Promise<number> {
  const { targets } = await targetsOf(client, invocation.args)
  const all = option.flag(invocation, 'allNamespaces')
  const namespace = all ? undefined : namespaceOf(invocation, client)
  const output = option.text(invocation, 'output')
  if (option.flag(invocation, 'watch')) return await watch(invocation, client, targets[0]!, namespace)
  const isTable = printObject({}, output) === undefined && output !== 'name'
  let exitCode = 0
  const objects: KubeObject[] = []
  const tables: { resource: ApiResource; table: ServerTable }[] = []
  for (const target of targets) {
    try {
      const request = { path: pathOf(target.resource, namespace, target.name), query: selectors(invocation) }
      if (isTable)
        tables.push({
          resource: target.resource,
          table: await client.json<ServerTable>({ ...request, accept: tableAccept }),
        })
      else objects.push(...(await listAll(client, request.path, request.query, target)))
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      if (error.reason === 'NotFound' && option.flag(invocation, 'ignoreNotFound')) continue
      invocation.io.err(`Error from server (${error.reason}): ${error.message}\n`)
      exitCode = 1
    }
  }
  if (isTable) invocation.io.out(printTables(invocation, tables, targets, all, namespace))
  else if (output === 'name') invocation.io.out(objects.map((object) => `${nameOf(targets, object)}\n`).join(''))
  else if (exitCode === 0 || objects.length > 0) {
    const isOne = targets.length === 1 && targets[0]!.name !== undefined
    invocation.io.out(
      printObject(
        isOne
          ? (objects[0] ?? {})
          : { apiVersion: 'v1', items: objects, kind: 'List', metadata: { resourceVersion: '' } },
        output,
      ) ?? '',
    )
  }
  return exitCode
}

const selectors = (invocation: Invocation) => ({
  labelSelector: option.text(invocation, 'selector'),
  fieldSelector: option.text(invocation, 'fieldSelector'),
})

function nameOf(targets: readonly Target[], object: KubeObject): string {
  const target = targets.find(({ resource }) => resource.kind === object.kind) ?? targets[0]!
  return displayName(target.resource, object.metadata.name ?? '')
}

function printTables(
  invocation: Invocation,
  tables: readonly { resource: ApiResource; table: ServerTable }[],
  targets: readonly Target[],
  all: boolean,
  namespace: string | undefined,
): string {
  const types = new Set(targets.map(({ resource }) => `${resource.resource}.${resource.group}`))
  const merged = new Map<ApiResource, ServerTable>()
  for (const { resource, table } of tables) {
    const before = merged.get(resource)
    merged.set(resource, before ? { ...before, rows: [...before.rows, ...table.rows] } : table)
  }
  const printed = [...merged]
    .filter(([, table]) => table.rows.length > 0)
    .map(([resource, table]) => {
      const view: TableView = {
        wide: option.text(invocation, 'output') === 'wide',
        withNamespace: all && resource.namespaced,
        withLabels: option.flag(invocation, 'showLabels'),
        ...(types.size > 1 ? { prefix: `${displayName(resource, '')}` } : {}),
      }
      const { header, rows } = tableCells(table, view)
      return printTable(invocation.options['headers'] === false ? [] : header, rows)
    })
  if (printed.length === 0 && tables.length > 0) {
    const isNamespaced = targets.some(({ resource }) => resource.namespaced)
    invocation.io.err(
      isNamespaced && namespace !== undefined
        ? `No resources found in ${namespace} namespace.\n`
        : 'No resources found\n',
    )
  }
  return printed.join('\n')
}

/** Prints what is there, then each change, until interrupted; a watch that the server ends is taken up again. */
async function watch(
  invocation: Invocation,
  client: RestClient,
  target: Target,
  namespace: string | undefined,
): Promise<number> {
  const { io } = invocation
  const output = option.text(invocation, 'output')
  const isTable = printObject({}, output) === undefined && output !== 'name'
  const path = pathOf(target.resource, namespace)
  const query = {
    ...selectors(invocation),
    ...(target.name === undefined ? {} : { fieldSelector: `metadata.name=${target.name}` }),
  }
  const view: TableView = {
    wide: output === 'wide',
    withNamespace: option.flag(invocation, 'allNamespaces') && target.resource.namespaced,
    withLabels: option.flag(invocation, 'showLabels'),
  }
  let columns: ServerTable['columnDefinitions'] = []
  let isFirst = invocation.options['headers'] !== false
  const show = (table: ServerTable): void => {
    if (table.columnDefinitions?.length > 0) columns = table.columnDefinitions
    const { header, rows } = tableCells({ columnDefinitions: columns, rows: table.rows }, view)
    if (rows.length > 0) io.out(printTable(isFirst ? header : [], rows))
    if (rows.length > 0) isFirst = false
  }
  const accept = isTable ? tableAccept : 'application/json'
  const list = await client.json<ServerTable & { items?: KubeObject[]; metadata: { resourceVersion: string } }>({
    path,
    query,
    accept,
  })
  const one = (object: KubeObject): string =>
    output === 'name'
      ? `${displayName(target.resource, object.metadata.name ?? '')}\n`
      : (printObject(object, output) ?? '')
  if (isTable) show(list)
  else for (const item of list.items ?? []) io.out(one(item))
  let resourceVersion = list.metadata.resourceVersion
  while (!io.signal.aborted) {
    const answer = await client.stream({
      path,
      query: { ...query, watch: 'true', resourceVersion },
      accept,
      signal: io.signal,
    })
    try {
      for await (const event of jsonLines<{ type: string; object: KubeObject & ServerTable }>(answer)) {
        if (event.type === 'ERROR') throw new Error((event.object as unknown as { message: string }).message)
        if (isTable) show(event.object)
        else io.out(one(event.object))
        resourceVersion =
          (isTable ? event.object.rows[0]?.object.metadata.resourceVersion : event.object.metadata.resourceVersion) ??
          resourceVersion
      }
    } catch (error) {
      if (!io.signal.aborted) throw error
    }
  }
  return 0
}
