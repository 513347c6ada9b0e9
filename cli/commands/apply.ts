import type { KubeObject } from '../../src/api/object.ts'
import { isStatus } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, type OptionDefinition } from '../command.ts'
import { withClient } from '../connection.ts'
import { type ApiResource, discover, displayName, pathOf, resourceOfKind } from '../discovery.ts'
import { type Manifest, readManifests } from '../manifests.ts'
import { printObject } from '../printers/object.ts'
import { describeError } from '../report-error.ts'
import { namespaceOf, namespaceOptions } from '../targets.ts'
import { createOptions, dryRunOf, dryRunSuffix, fieldValidationOf } from '../write-options.ts'

export const fileOptions: readonly OptionDefinition[] = [
  { flags: '-f, --filename <source>', summary: 'file, directory, URL, or - for standard input', repeatable: true },
  { flags: '-R, --recursive', summary: 'directories with all below them' },
]

export const applyCommand: CommandDefinition = {
  name: 'apply',
  summary: 'Make objects be as the manifests say (server-side apply)',
  options: [
    ...namespaceOptions,
    ...fileOptions,
    ...createOptions,
    { flags: '--server-side', summary: 'accepted; apply is always server-side' },
    { flags: '--force-conflicts', summary: 'accepted; fields of other managers are always taken over' },
    { flags: '--record', summary: 'deprecated: note this command as the change-cause' },
  ],
  run: (invocation) => withClient(invocation, (client) => eachManifest(invocation, client, apply)),
}

export const createFromFiles = (invocation: Invocation): Promise<number> =>
  withClient(invocation, (client) => eachManifest(invocation, client, create))

export interface PreparedManifest extends Manifest {
  resource: ApiResource
  namespace: string
}

type Verb = (
  invocation: Invocation,
  client: RestClient,
  manifest: PreparedManifest,
) => Promise<{ said: string; object: KubeObject }>

/** Does `verb` for each object of the files; says what it did, goes on after a refusal, and fails at the end if there was one. */
async function eachManifest(invocation: Invocation, client: RestClient, verb: Verb): Promise<number> {
  const { io } = invocation
  const manifests = await readManifests(option.list(invocation, 'filename'), option.flag(invocation, 'recursive'), io)
  const prepared = await prepare(invocation, client, manifests)
  let failed = prepared.failures.length
  for (const failure of prepared.failures) io.err(`${failure}\n`)
  const suffix = dryRunSuffix(dryRunOf(invocation))
  for (const manifest of prepared.manifests) {
    try {
      const { said, object } = await verb(invocation, client, manifest)
      const output = option.text(invocation, 'output')
      if (output === 'name') io.out(`${displayName(manifest.resource, object.metadata.name ?? '')}\n`)
      else
        io.out(
          printObject(object, output) ??
            `${displayName(manifest.resource, object.metadata.name ?? '')} ${said}${suffix}\n`,
        )
    } catch (error) {
      failed++
      io.err(`${describeError(error, `error when applying "${manifest.source}"`)}\n`)
    }
  }
  if (failed > 0 && failed < prepared.manifests.length + prepared.failures.length)
    io.err(`${failed} of ${manifests.length} objects failed; the others are done\n`)
  return failed > 0 ? 1 : 0
}

/** Finds each object's resource and namespace; namespaces and definitions go first, so that what needs them finds them. */
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
        `error: resource mapping not found for name: "${metadata.name ?? ''}" from "${manifest.source}": no matches for kind "${kind}" in version "${apiVersion}"`,
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

const query = (invocation: Invocation): Record<string, string | undefined> => ({
  fieldManager: option.text(invocation, 'fieldManager') ?? 'stormo',
  fieldValidation: fieldValidationOf(invocation),
  dryRun: dryRunOf(invocation) === 'server' ? 'All' : undefined,
})

const apply: Verb = async (invocation, client, { object, resource, namespace }) => {
  const path = pathOf(resource, namespace, object.metadata.name)
  const before = await client.json<KubeObject>({ path }).catch((error: unknown) => {
    if (isStatus(error, 'NotFound')) return undefined
    throw error
  })
  const wanted = option.flag(invocation, 'record') ? recorded(object, invocation) : object
  if (dryRunOf(invocation) === 'client') return { said: before ? 'configured' : 'created', object: wanted }
  const after = await client.json<KubeObject>({
    method: 'PATCH',
    path,
    query: { ...query(invocation), force: 'true' },
    body: JSON.stringify(wanted),
    contentType: 'application/apply-patch+yaml',
  })
  if (!before) return { said: 'created', object: after }
  return {
    said: before.metadata.resourceVersion === after.metadata.resourceVersion ? 'unchanged' : 'configured',
    object: after,
  }
}

const create: Verb = async (invocation, client, { object, resource, namespace }) => {
  if (dryRunOf(invocation) === 'client') return { said: 'created', object }
  const wanted = option.flag(invocation, 'record') ? recorded(object, invocation) : object
  return {
    said: 'created',
    object: await client.json<KubeObject>({
      method: 'POST',
      path: pathOf(resource, namespace),
      query: query(invocation),
      body: wanted,
    }),
  }
}

/** `--record`: what the user typed, as the change-cause that `rollout history` shows. */
function recorded(object: KubeObject, invocation: Invocation): KubeObject {
  invocation.io.err('Flag --record has been deprecated, --record will be removed in the future\n')
  const cause = ['stormo', ...process.argv.slice(2)].join(' ')
  return {
    ...object,
    metadata: {
      ...object.metadata,
      annotations: { ...object.metadata.annotations, 'kubernetes.io/change-cause': cause },
    },
  }
}
