import { setTimeout as sleep } from 'node:timers/promises'
import type { KubeObject } from '../../src/api/object.ts'
import { isStatus } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { type ApiResource, pathOf } from '../discovery.ts'
import { manifestSources, readManifests } from '../manifests.ts'
import { reportError } from '../report-error.ts'
import { namespaceOf, namespaceOptions, targetsOf } from '../targets.ts'
import { fileOptions, prepare } from '../write-manifests.ts'
import { listAll } from '../list-all.ts'

export const deleteCommand: CommandDefinition = {
  name: 'delete',
  arguments: '[type] [name...]',
  summary: 'Delete objects by file, name, label or all of a type',
  options: [
    ...namespaceOptions,
    ...fileOptions,
    { flags: '-l, --selector <selector>', summary: 'objects with these labels' },
    { flags: '--all', summary: 'all objects of the type in the namespace' },
    { flags: '--grace-period <seconds>', summary: 'seconds that pods get to end', integer: true },
    { flags: '--now', summary: 'as --grace-period=1' },
    { flags: '--force', summary: 'at once, without waiting for the node to say that it ended' },
    { flags: '--cascade <how>', summary: 'background, foreground or orphan', default: 'background' },
    { flags: '--no-wait', summary: 'do not wait until they are gone' },
    { flags: '--ignore-not-found', summary: 'an object that is not there is no error' },
    { flags: '--timeout <seconds>', summary: 'how long to wait at most', integer: true, default: 600 },
  ],
  run: (invocation) => withClient(invocation, (client) => remove(invocation, client)),
}

interface Doomed {
  resource: ApiResource
  namespace: string
  name: string
}

async function remove(invocation: Invocation, client: RestClient): Promise<number> {
  const { io } = invocation
  const doomed =
    manifestSources(invocation).length > 0
      ? await fromFiles(invocation, client)
      : await fromArguments(invocation, client)
  let failed = false
  const gone: (Doomed & { uid: string })[] = []
  for (const one of doomed) {
    try {
      const { uid } = await deleteOne(invocation, client, one)
      io.out(
        `${one.resource.group ? `${one.resource.singular}.${one.resource.group}` : one.resource.singular} "${one.name}" ${option.flag(invocation, 'force') ? 'force deleted' : 'deleted'}\n`,
      )
      if (uid) gone.push({ ...one, uid })
    } catch (error) {
      if (isStatus(error, 'NotFound') && option.flag(invocation, 'ignoreNotFound')) continue
      failed = true
      reportError(io, error)
    }
  }
  if (doomed.length === 0) io.err('No resources found\n')
  if (invocation.options['wait'] !== false) await waitUntilGone(invocation, client, gone)
  return failed ? 1 : 0
}

async function fromFiles(invocation: Invocation, client: RestClient): Promise<Doomed[]> {
  const manifests = await readManifests(
    manifestSources(invocation),
    option.flag(invocation, 'recursive'),
    invocation.io,
  )
  const { manifests: found, failures } = await prepare(invocation, client, manifests)
  if (failures.length > 0) throw new UsageError(failures.join('\n').replace(/^error: /, ''))
  return found
    .toReversed()
    .map(({ resource, namespace, object }) => ({ resource, namespace, name: object.metadata.name ?? '' }))
}

async function fromArguments(invocation: Invocation, client: RestClient): Promise<Doomed[]> {
  const { targets } = await targetsOf(client, invocation.args)
  const namespace = namespaceOf(invocation, client)
  const labelSelector = option.text(invocation, 'selector')
  const lists = targets.map(async ({ resource, name }): Promise<Doomed[]> => {
    if (name !== undefined) return [{ resource, namespace, name }]
    if (!option.flag(invocation, 'all') && labelSelector === undefined)
      throw new UsageError('resource(s) were provided, but no name was specified: give names, -l or --all')
    const objects = await listAll(client, pathOf(resource, namespace), { labelSelector }, { resource, name: undefined })
    return objects.map((object) => ({
      resource,
      namespace: object.metadata.namespace ?? namespace,
      name: object.metadata.name ?? '',
    }))
  })
  return (await Promise.all(lists)).flat()
}

async function deleteOne(
  invocation: Invocation,
  client: RestClient,
  { resource, namespace, name }: Doomed,
): Promise<{ uid?: string }> {
  const path = pathOf(resource, namespace, name)
  const cascade = option.text(invocation, 'cascade') ?? 'background'
  const propagationPolicy = { background: 'Background', foreground: 'Foreground', orphan: 'Orphan' }[cascade]
  if (!propagationPolicy)
    throw new UsageError(`invalid cascade value (${cascade}). Must be "background", "foreground", or "orphan"`)
  const seconds = option.flag(invocation, 'force')
    ? 0
    : option.flag(invocation, 'now')
      ? 1
      : option.integer(invocation, 'gracePeriod')
  const body = {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    propagationPolicy,
    ...(seconds === undefined ? {} : { gracePeriodSeconds: seconds }),
  }
  const answer = await client.json<{ kind: string; metadata?: KubeObject['metadata']; details?: { uid?: string } }>({
    method: 'DELETE',
    path,
    body,
  })
  return { uid: answer.kind === 'Status' ? answer.details?.uid : answer.metadata?.uid }
}

async function waitUntilGone(
  invocation: Invocation,
  client: RestClient,
  objects: readonly (Doomed & { uid: string })[],
): Promise<void> {
  const deadlineMs = Date.now() + (option.integer(invocation, 'timeout') ?? 600) * 1000
  for (const { resource, namespace, name, uid } of objects) {
    for (;;) {
      const current = await client
        .json<KubeObject>({ path: pathOf(resource, namespace, name) })
        .catch((error: unknown) => {
          if (isStatus(error, 'NotFound')) return undefined
          throw error
        })
      if (current?.metadata.uid !== uid) break
      if (Date.now() > deadlineMs)
        throw new UsageError(`timed out waiting for ${resource.singular} "${name}" to be gone`)
      await sleep(200, undefined, { signal: invocation.io.signal })
    }
  }
}
