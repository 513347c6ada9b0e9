import type { KubeObject } from '../../src/api/object.ts'
import { isStatus } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option } from '../command.ts'
import { deleteObject, deletionOptions, waitUntilGone } from '../delete-objects.ts'
import { pathOf } from '../discovery.ts'
import { namespaceOptions } from '../targets.ts'
import { createOptions, dryRunOf } from '../write-options.ts'
import { fileOptions, type PreparedManifest, sendRaw, writeManifests, writeQuery } from '../write-manifests.ts'

export const replaceCommand: CommandDefinition = {
  name: 'replace',
  summary: 'Put the manifests in the place of objects that are there',
  options: [
    ...namespaceOptions,
    ...fileOptions,
    ...createOptions,
    { flags: '--force', summary: 'delete and make anew' },
    ...deletionOptions,
    { flags: '--raw <path>', summary: 'put the file to this path as it is' },
    { flags: '--subresource <name>', summary: 'status or scale' },
  ],
  async run(invocation) {
    const raw = option.text(invocation, 'raw')
    if (raw !== undefined) return await sendRaw(invocation, 'PUT', raw)
    return await writeManifests(invocation, 'replacing', async (_, client, manifest) => {
      const { object, resource, namespace } = manifest
      if (dryRunOf(invocation) === 'client') return { said: 'replaced', object }
      if (option.flag(invocation, 'force')) {
        await removeAndWait(invocation, client, manifest)
        const body = withoutVersion(object)
        const query = writeQuery(invocation)
        return {
          said: 'replaced',
          object: await client.json<KubeObject>({ method: 'POST', path: pathOf(resource, namespace), query, body }),
        }
      }
      const path = pathOf(resource, namespace, object.metadata.name, option.text(invocation, 'subresource'))
      return {
        said: 'replaced',
        object: await client.json<KubeObject>({ method: 'PUT', path, query: writeQuery(invocation), body: object }),
      }
    })
  },
}

export const withoutVersion = (object: KubeObject): KubeObject => {
  const { resourceVersion: _, uid: __, ...metadata } = object.metadata
  return { ...object, metadata }
}

/** Deletes the object and waits until its name is free. */
export async function removeAndWait(
  invocation: Invocation,
  client: RestClient,
  { object, resource, namespace }: PreparedManifest,
): Promise<void> {
  const doomed = { resource, namespace, name: object.metadata.name ?? '' }
  try {
    const uid = await deleteObject(invocation, client, doomed)
    if (uid !== undefined) await waitUntilGone(invocation, client, [{ ...doomed, uid }])
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error
  }
}
