import type { KubeObject } from '../src/api/object.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { type Invocation, option, type OptionDefinition, UsageError } from './command.ts'
import { withClient } from './connection.ts'
import { type ApiResource, discover, displayName, pathOf, resourceOfKind } from './discovery.ts'
import { type Manifest, readManifests } from './manifests.ts'
import { printObject } from './printers/object.ts'
import { describeError } from './report-error.ts'
import { namespaceOf } from './targets.ts'
import { dryRunOf, dryRunSuffix, fieldValidationOf } from './write-options.ts'

export const fileOptions: readonly OptionDefinition[] = [
  { flags: '-f, --filename <source>', summary: 'file, directory, URL, or - for standard input', repeatable: true },
  { flags: '-R, --recursive', summary: 'directories with all below them' },
]

/** A manifest whose kind the server knows. */
export interface PreparedManifest extends Manifest {
  resource: ApiResource
  namespace: string
}

export interface Written {
  /** `created`, `configured`, `unchanged`, … */
  said: string
  object: KubeObject
}

export type ManifestVerb = (invocation: Invocation, client: RestClient, manifest: PreparedManifest) => Promise<Written>

/**
 * Does `verb` for each object of `-f`. All files are read before anything is written; a refused object does not keep
 * the others back, and the exit code is 1 then.
 */
export const writeManifests = (
  invocation: Invocation,
  doing: string,
  verb: ManifestVerb,
  finish?: (client: RestClient, written: readonly PreparedManifest[]) => Promise<void>,
): Promise<number> =>
  withClient(invocation, async (client) => {
    const { io } = invocation
    const manifests = await readManifests(option.list(invocation, 'filename'), option.flag(invocation, 'recursive'), io)
    checkDuplicates(invocation, manifests)
    const prepared = await prepare(invocation, client, manifests)
    const written: PreparedManifest[] = []
    for (const failure of prepared.failures) io.err(`${failure}\n`)
    for (const manifest of prepared.manifests) {
      try {
        say(invocation, manifest, await verb(invocation, client, manifest))
        written.push(manifest)
      } catch (error) {
        io.err(`${describeError(error, `error when ${doing} "${manifest.source}"`)}\n`)
      }
    }
    const failedCount = manifests.length - written.length
    if (failedCount === 0) await finish?.(client, written)
    if (failedCount > 0 && written.length > 0)
      io.err(`${failedCount} of ${manifests.length} objects failed; the others are done\n`)
    return failedCount > 0 ? 1 : 0
  })

function say(invocation: Invocation, { resource }: PreparedManifest, { said, object }: Written): void {
  const output = option.text(invocation, 'output')
  const name = displayName(resource, object.metadata.name ?? '')
  const line = output === 'name' ? name : `${name} ${said}${dryRunSuffix(dryRunOf(invocation))}`
  invocation.io.out(printObject(object, output) ?? `${line}\n`)
}

/** A key that is given twice is most likely a mistake, and the object that is sent no longer shows it. */
function checkDuplicates(invocation: Invocation, manifests: readonly Manifest[]): void {
  const how = fieldValidationOf(invocation)
  if (how === 'Ignore') return
  const found = manifests.flatMap(({ source, duplicates }) => duplicates.map((one) => `${source}: ${one}`))
  if (found.length === 0) return
  if (how === 'Strict') throw new UsageError(`error parsing ${[...new Set(found)].join('\n')}`)
  for (const one of new Set(found)) invocation.io.err(`Warning: ${one}\n`)
}

/** Finds each object's resource and namespace; what cannot be found is told in kubectl's words. */
export async function prepare(
  invocation: Invocation,
  client: RestClient,
  manifests: readonly Manifest[],
): Promise<{ manifests: PreparedManifest[]; failures: string[] }> {
  const resources = await discover(client)
  const asked = option.text(invocation, 'namespace')
  const failures: string[] = []
  const found: PreparedManifest[] = []
  for (const manifest of manifests) {
    const { apiVersion, kind, metadata } = manifest.object
    const resource = resourceOfKind(resources, apiVersion, kind)
    if (!resource) {
      failures.push(
        `error: resource mapping not found for name: "${metadata.name ?? ''}" namespace: "${metadata.namespace ?? ''}" from "${manifest.source}": no matches for kind "${kind}" in version "${apiVersion}"`,
      )
      continue
    }
    if (asked !== undefined && resource.namespaced && metadata.namespace && metadata.namespace !== asked) {
      failures.push(
        `error: the namespace from the provided object "${metadata.namespace}" does not match the namespace "${asked}". You must pass '--namespace=${metadata.namespace}' to perform this operation.`,
      )
      continue
    }
    found.push({ ...manifest, resource, namespace: metadata.namespace ?? namespaceOf(invocation, client) })
  }
  return { manifests: found, failures }
}

/** Query parameters of a write. */
export const writeQuery = (invocation: Invocation): Record<string, string | undefined> => ({
  fieldManager: option.text(invocation, 'fieldManager') ?? 'stormo',
  fieldValidation: fieldValidationOf(invocation),
  dryRun: dryRunOf(invocation) === 'server' ? 'All' : undefined,
})

export const pathOfManifest = ({ resource, namespace, object }: PreparedManifest): string =>
  pathOf(resource, namespace, object.metadata.name)

/** `--record`: what the user typed, as the change-cause that `rollout history` shows. */
export function recorded(object: KubeObject, invocation: Invocation): KubeObject {
  if (!option.flag(invocation, 'record')) return object
  invocation.io.err('Flag --record has been deprecated, --record will be removed in the future\n')
  const cause = ['stormo', ...process.argv.slice(2)].join(' ')
  const annotations = { ...object.metadata.annotations, 'kubernetes.io/change-cause': cause }
  return { ...object, metadata: { ...object.metadata, annotations } }
}
