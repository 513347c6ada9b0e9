import type { KubeObject } from '../../src/api/object.ts'
import { isStatus } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type Invocation, option, UsageError } from '../command.ts'
import { pathOf } from '../discovery.ts'
import { sendPatch } from '../patch-objects.ts'
import { pathOfManifest, type PreparedManifest, writeQuery } from '../write-manifests.ts'
import { lastAppliedAnnotation, upgradedManagers, withLastApplied } from './last-applied.ts'

export const liveObject = (client: RestClient, path: string): Promise<KubeObject | undefined> =>
  client.json<KubeObject>({ path }).catch((error: unknown) => {
    if (isStatus(error, 'NotFound')) return undefined
    throw error
  })

/** A manifest's object as it is sent: with the record of what is applied, as kubectl writes it. */
export function appliedObject(
  invocation: Invocation,
  { object, resource, namespace }: PreparedManifest,
  before: KubeObject | undefined,
): KubeObject {
  const isRecorded = before?.metadata.annotations?.[lastAppliedAnnotation] !== undefined
  // As kubectl: a record that is there is kept in step, and a server-side apply makes none.
  const records =
    !option.flag(invocation, 'serverSide') || (isRecorded && option.text(invocation, 'fieldManager') === undefined)
  return records ? withLastApplied(object, resource.namespaced ? namespace : undefined) : object
}

/**
 * Always a server-side apply (KEP-555): the server knows whose each field is, so that a field that leaves the manifest
 * leaves the object. Without --server-side it takes fields over as a client-side apply does.
 */
export async function sendApply(
  invocation: Invocation,
  client: RestClient,
  manifest: PreparedManifest,
  before: KubeObject | undefined,
  dryRun = writeQuery(invocation)['dryRun'],
): Promise<KubeObject> {
  const { resource, namespace, object } = manifest
  const path = pathOf(resource, namespace, object.metadata.name, option.text(invocation, 'subresource'))
  const upgraded = before && upgradedManagers(before, option.text(invocation, 'fieldManager') ?? 'stormo')
  if (upgraded && dryRun === undefined) {
    const body = [{ op: 'replace', path: '/metadata/managedFields', value: upgraded }]
    await sendPatch(client, pathOfManifest(manifest), { type: 'json', body })
  }
  const takesOver = !option.flag(invocation, 'serverSide') || option.flag(invocation, 'forceConflicts')
  try {
    return await client.json<KubeObject>({
      method: 'PATCH',
      path,
      query: { ...writeQuery(invocation), dryRun, force: String(takesOver) },
      body: JSON.stringify(object),
      contentType: 'application/apply-patch+yaml',
    })
  } catch (error) {
    throw isStatus(error, 'Conflict') ? new UsageError(`${error.message}\n${conflictHelp}`, { cause: error }) : error
  }
}

/** What a refused server-side apply is followed by. */
const conflictHelp = `Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the \`--force-conflicts\` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts`
