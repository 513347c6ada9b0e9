import type { KubeObject } from '../../src/api/object.ts'
import { isStatus } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { describeObject } from '../describe-object.ts'
import { type ApiResource, pathOf } from '../discovery.ts'
import { manifestSources, readManifests } from '../manifests.ts'
import { alignTabs } from '../printers/align.ts'
import { reportError } from '../report-error.ts'
import { namespaceOf, namespaceOptions, targetsOf } from '../targets.ts'
import { fileOptions, prepare } from '../write-manifests.ts'
import { listAll } from '../list-all.ts'

export const describeCommand: CommandDefinition = {
  name: 'describe',
  arguments: '[type] [name-or-prefix...]',
  summary: 'Show objects in detail, with their events',
  options: [
    ...namespaceOptions,
    ...fileOptions,
    { flags: '-A, --all-namespaces', summary: 'objects of all namespaces' },
    { flags: '-l, --selector <selector>', summary: 'only objects with these labels' },
    { flags: '--chunk-size <count>', summary: 'how many to ask for at a time; 0 is all', integer: true, default: 500 },
    { flags: '--show-events', summary: 'with the events (default true)' },
    { flags: '--no-show-events', summary: 'without the events' },
  ],
  examples: `Examples:
  stormo describe pod web-0
  stormo describe nodes
  stormo describe deployment/web`,
  run: (invocation) => withClient(invocation, (client) => describe(invocation, client)),
}

interface Found {
  resource: ApiResource
  object: KubeObject
}

async function describe(invocation: Invocation, client: RestClient): Promise<number> {
  const { io } = invocation
  const withEvents = invocation.options['showEvents'] !== false
  let failed = false
  const found =
    manifestSources(invocation).length > 0
      ? await fromFiles(invocation, client)
      : await fromArguments(invocation, client, (error) => {
          failed = true
          reportError(io, error)
        })
  if (found.length === 0 && !failed)
    io.err(
      option.flag(invocation, 'allNamespaces')
        ? 'No resources found\n'
        : `No resources found in ${namespaceOf(invocation, client)} namespace.\n`,
    )
  const texts: string[] = []
  for (const { resource, object } of found)
    texts.push(alignTabs(await describeObject(client, resource, object, { nowMs: Date.now(), withEvents })))
  io.out(texts.join('\n\n'))
  return failed ? 1 : 0
}

async function fromFiles(invocation: Invocation, client: RestClient): Promise<Found[]> {
  const sources = manifestSources(invocation)
  const manifests = await readManifests(sources, option.flag(invocation, 'recursive'), invocation.io)
  const { manifests: prepared, failures } = await prepare(invocation, client, manifests)
  if (failures.length > 0) throw new UsageError(failures.join('\n'))
  return await Promise.all(
    prepared.map(async ({ resource, namespace, object }) => ({
      resource,
      object: await client.json<KubeObject>({ path: pathOf(resource, namespace, object.metadata.name) }),
    })),
  )
}

async function fromArguments(
  invocation: Invocation,
  client: RestClient,
  onError: (error: unknown) => void,
): Promise<Found[]> {
  const namespace = option.flag(invocation, 'allNamespaces') ? undefined : namespaceOf(invocation, client)
  if (invocation.args.length === 0)
    throw new UsageError(
      'You must specify the type of resource to describe. Use "stormo api-resources" for a complete list of supported resources.',
    )
  const { targets } = await targetsOf(client, invocation.args)
  const labelSelector = option.text(invocation, 'selector')
  const found: Found[] = []
  let hasFailed = false
  for (const { resource, name } of targets) {
    const list = (): Promise<KubeObject[]> =>
      listAll(
        client,
        pathOf(resource, namespace),
        { labelSelector },
        { resource, name: undefined },
        option.integer(invocation, 'chunkSize'),
      )
    try {
      // A name among several must be exact, and without it nothing is shown.
      if (name === undefined) found.push(...(await list()).map((object) => ({ resource, object })))
      else if (targets.length > 1)
        found.push({ resource, object: await client.json<KubeObject>({ path: pathOf(resource, namespace, name) }) })
      else
        found.push(
          ...(await byNameOrPrefix(client, pathOf(resource, namespace, name), name, list)).map((object) => ({
            resource,
            object,
          })),
        )
    } catch (error) {
      onError(error)
      hasFailed = true
    }
  }
  return hasFailed ? [] : found
}

/** The object of that name; else all whose names begin with it. */
async function byNameOrPrefix(
  client: RestClient,
  path: string,
  name: string,
  list: () => Promise<KubeObject[]>,
): Promise<KubeObject[]> {
  try {
    return [await client.json<KubeObject>({ path })]
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error
    const matching = (await list()).filter((object) => object.metadata.name?.startsWith(name))
    if (matching.length === 0) throw error
    return matching
  }
}
