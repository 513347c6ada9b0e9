import type { KubeObject } from '../src/api/object.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { fileOptions, prepare } from './write-manifests.ts'
import { listAll } from './list-all.ts'
import { type Invocation, option, type OptionDefinition, UsageError } from './command.ts'
import { type ApiResource, pathOf } from './discovery.ts'
import { manifestSources, readManifests } from './manifests.ts'
import { namespaceOf, targetsOf } from './targets.ts'

/** The ways in which a command says which objects it is about. */
export const selectionOptions: readonly OptionDefinition[] = [
  ...fileOptions,
  { flags: '-l, --selector <selector>', summary: 'objects with these labels' },
  { flags: '--field-selector <selector>', summary: 'objects with these fields' },
  { flags: '--all', summary: 'all objects of the type in the namespace' },
  { flags: '-A, --all-namespaces', summary: 'objects of all namespaces' },
]

export interface SelectedObject {
  resource: ApiResource
  namespace: string | undefined
  name: string
  uid?: string
  /** As it was when it was selected; absent when it is named and was not asked for. */
  object?: KubeObject
}

/**
 * The objects that files, names, labels or --all stand for. With `needExist` those that are named are read too, and a
 * missing one is an error.
 */
export async function selectObjects(
  invocation: Invocation,
  client: RestClient,
  { needExist }: { needExist: boolean },
): Promise<SelectedObject[]> {
  const sources = manifestSources(invocation)
  const selected =
    sources.length > 0 ? await fromFiles(invocation, client, sources) : await fromArguments(invocation, client)
  if (!needExist) return selected
  return await Promise.all(
    selected.map(async (one) => {
      if (one.object) return one
      const path = pathOf(one.resource, one.namespace, one.name)
      return { ...one, object: await client.json<KubeObject>({ path }) }
    }),
  )
}

async function fromFiles(
  invocation: Invocation,
  client: RestClient,
  sources: readonly string[],
): Promise<SelectedObject[]> {
  const manifests = await readManifests(sources, option.flag(invocation, 'recursive'), invocation.io)
  const { manifests: found, failures } = await prepare(invocation, client, manifests)
  if (failures.length > 0) throw new UsageError(failures.join('\n').replace(/^error: /, ''))
  return found.map(({ resource, namespace, object }) => ({ resource, namespace, name: object.metadata.name ?? '' }))
}

async function fromArguments(invocation: Invocation, client: RestClient): Promise<SelectedObject[]> {
  const { targets } = await targetsOf(client, invocation.args)
  const namespace = option.flag(invocation, 'allNamespaces') ? undefined : namespaceOf(invocation, client)
  const labelSelector = option.text(invocation, 'selector')
  const fieldSelector = option.text(invocation, 'fieldSelector')
  const isMany = option.flag(invocation, 'all') || labelSelector !== undefined || fieldSelector !== undefined
  const lists = targets.map(async ({ resource, name }): Promise<SelectedObject[]> => {
    if (name !== undefined && namespace === undefined && resource.namespaced)
      throw new UsageError('a resource cannot be retrieved by name across all namespaces')
    if (name !== undefined) return [{ resource, namespace, name }]
    if (!isMany) throw new UsageError('resource(s) were provided, but no name was specified: give names, -l or --all')
    const query = { labelSelector, fieldSelector }
    const objects = await listAll(client, pathOf(resource, namespace), query, { resource, name: undefined })
    return objects.map((object) => ({
      resource,
      namespace: object.metadata.namespace,
      name: object.metadata.name ?? '',
      ...(object.metadata.uid ? { uid: object.metadata.uid } : {}),
      object,
    }))
  })
  return (await Promise.all(lists)).flat()
}
