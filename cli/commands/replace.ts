import { setTimeout as sleep } from 'node:timers/promises'
import type { KubeObject } from '../../src/api/object.ts'
import { isStatus } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, option } from '../command.ts'
import { pathOf } from '../discovery.ts'
import { namespaceOptions } from '../targets.ts'
import { createOptions, dryRunOf } from '../write-options.ts'
import { fileOptions, type PreparedManifest, writeManifests, writeQuery } from '../write-manifests.ts'

export const replaceCommand: CommandDefinition = {
  name: 'replace',
  summary: 'Put the manifests in the place of objects that are there',
  options: [
    ...namespaceOptions,
    ...fileOptions,
    ...createOptions,
    { flags: '--force', summary: 'delete and make anew' },
    { flags: '--grace-period <seconds>', summary: 'with --force: seconds that pods get to end', integer: true },
    { flags: '--subresource <name>', summary: 'status or scale' },
  ],
  run: (invocation) =>
    writeManifests(invocation, 'replacing', async (_, client, manifest) => {
      const { object, resource, namespace } = manifest
      if (dryRunOf(invocation) === 'client') return { said: 'replaced', object }
      if (option.flag(invocation, 'force')) {
        await removeAndWait(client, manifest, option.integer(invocation, 'gracePeriod'), invocation.io.signal)
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
    }),
}

const withoutVersion = (object: KubeObject): KubeObject => {
  const { resourceVersion: _, uid: __, ...metadata } = object.metadata
  return { ...object, metadata }
}

const pollMs = 200

async function removeAndWait(
  client: RestClient,
  { object, resource, namespace }: PreparedManifest,
  gracePeriodSeconds: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  const path = pathOf(resource, namespace, object.metadata.name)
  const body = {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
  }
  try {
    await client.send({ method: 'DELETE', path, body, signal })
    for (;;) {
      await client.send({ path, signal })
      await sleep(pollMs, undefined, { signal })
    }
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error
  }
}
