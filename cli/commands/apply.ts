import { type CommandDefinition, option, UsageError } from '../command.ts'
import { lastAppliedCommands } from './apply-last-applied.ts'
import { isStatus } from '../../src/api/status-error.ts'
import { removeAndWait, withoutVersion } from './replace.ts'
import { deletionOptions } from '../delete-objects.ts'
import { appliedObject, liveObject, sendApply } from '../apply/apply-object.ts'
import { isSameObject } from '../patch-objects.ts'
import { prune } from '../prune.ts'
import { namespaceOptions } from '../targets.ts'
import { fileOptions, type ManifestVerb, pathOfManifest, recorded, writeManifests } from '../write-manifests.ts'
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
    { flags: '--force', summary: 'delete and make anew what cannot be changed' },
    ...deletionOptions,
    { flags: '--subresource <name>', summary: 'with --server-side: of this part, for example status' },
    { flags: '--overwrite', summary: 'accepted: what is applied always counts', hidden: true },
    { flags: '--openapi-patch', summary: 'accepted: the server knows its schemas', hidden: true },
    { flags: '--record', summary: 'deprecated: note this command as the change-cause' },
  ],
  examples: `Examples:
  stormo apply -f web.yaml
  stormo apply -f manifests/ --prune -l app=web
  kustomize build . | stormo apply -f -`,
  commands: lastAppliedCommands,
  run: async (invocation) => {
    if (option.flag(invocation, 'force') && option.flag(invocation, 'serverSide'))
      throw new UsageError('--force cannot be used with --server-side')
    if (!option.flag(invocation, 'prune')) return await writeManifests(invocation, 'applying', apply)
    if (option.flag(invocation, 'all') === (option.text(invocation, 'selector') !== undefined))
      throw new UsageError(
        'all resources selected for prune without explicitly passing --all. To prune all resources, pass the --all flag. If you did not mean to prune all resources, specify a label selector',
      )
    return await writeManifests(invocation, 'applying', apply, (client, written) => prune(invocation, client, written))
  },
}

const apply: ManifestVerb = async (invocation, client, manifest) => {
  const before = await liveObject(client, pathOfManifest(manifest))
  const recordedManifest = { ...manifest, object: recorded(manifest.object, invocation) }
  const object = appliedObject(invocation, recordedManifest, before)
  if (dryRunOf(invocation) === 'client') return { said: before ? 'configured' : 'created', object }
  const after = await sendApply(invocation, client, { ...manifest, object }, before).catch(async (error: unknown) => {
    const cannotChange = before !== undefined && isStatus(error, 'Invalid', 'Conflict')
    if (!cannotChange || !option.flag(invocation, 'force')) throw error
    await removeAndWait(invocation, client, manifest)
    return await sendApply(invocation, client, { ...manifest, object: withoutVersion(object) }, undefined)
  })
  if (option.flag(invocation, 'serverSide')) return { said: 'serverside-applied', object: after }
  if (!before) return { said: 'created', object: after }
  return { said: isSameObject(before, after) ? 'unchanged' : 'configured', object: after }
}
