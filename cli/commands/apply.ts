import type { KubeObject } from '../../src/api/object.ts'
import { isStatus } from '../../src/api/status-error.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { prune } from '../prune.ts'
import { namespaceOptions } from '../targets.ts'
import {
  fileOptions,
  type ManifestVerb,
  pathOfManifest,
  recorded,
  writeManifests,
  writeQuery,
} from '../write-manifests.ts'
import { createOptions, dryRunOf } from '../write-options.ts'

export const applyCommand: CommandDefinition = {
  name: 'apply',
  summary: 'Make objects be as the manifests say',
  options: [
    ...namespaceOptions,
    ...fileOptions,
    ...createOptions,
    { flags: '--server-side', summary: 'refuse to take fields over that others have set' },
    { flags: '--force-conflicts', summary: 'with --server-side: take them over all the same' },
    { flags: '--prune', summary: 'delete what was applied once and is no longer in the manifests' },
    { flags: '-l, --selector <selector>', summary: 'with --prune: among objects with these labels' },
    { flags: '--all', summary: 'with --prune: among all objects' },
    { flags: '--prune-allowlist <group/version/kind>', summary: 'with --prune: only of these kinds', repeatable: true },
    { flags: '--record', summary: 'deprecated: note this command as the change-cause' },
  ],
  examples: `Examples:
  stormo apply -f web.yaml
  stormo apply -f manifests/ --prune -l app=web
  kustomize build . | stormo apply -f -`,
  run: async (invocation) => {
    if (!option.flag(invocation, 'prune')) return await writeManifests(invocation, 'applying', apply)
    if (option.flag(invocation, 'all') === (option.text(invocation, 'selector') !== undefined))
      throw new UsageError('all resources selected for prune without explicitly passing --all: give -l or --all')
    return await writeManifests(invocation, 'applying', apply, (client, written) => prune(invocation, client, written))
  },
}

/**
 * Always a server-side apply (KEP-555): the server knows whose each field is, so that a field that leaves the manifest
 * leaves the object. Without --server-side it takes fields over as a client-side apply does.
 */
const apply: ManifestVerb = async (invocation, client, manifest) => {
  const path = pathOfManifest(manifest)
  const wanted = recorded(manifest.object, invocation)
  const before = await client.json<KubeObject>({ path }).catch((error: unknown) => {
    if (isStatus(error, 'NotFound')) return undefined
    throw error
  })
  if (dryRunOf(invocation) === 'client') return { said: before ? 'configured' : 'created', object: wanted }
  const after = await client.json<KubeObject>({
    method: 'PATCH',
    path,
    query: { ...writeQuery(invocation), force: String(takesOver(invocation)) },
    body: JSON.stringify(wanted),
    contentType: 'application/apply-patch+yaml',
  })
  if (option.flag(invocation, 'serverSide')) return { said: 'serverside-applied', object: after }
  if (!before) return { said: 'created', object: after }
  const isSame = before.metadata.resourceVersion === after.metadata.resourceVersion
  return { said: isSame ? 'unchanged' : 'configured', object: after }
}

const takesOver = (invocation: Invocation): boolean =>
  !option.flag(invocation, 'serverSide') || option.flag(invocation, 'forceConflicts')
