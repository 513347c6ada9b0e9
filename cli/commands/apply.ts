import { type CommandDefinition, option, UsageError } from '../command.ts'
import { lastAppliedCommands } from './apply-last-applied.ts'
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
    { flags: '--record', summary: 'deprecated: note this command as the change-cause' },
  ],
  examples: `Examples:
  stormo apply -f web.yaml
  stormo apply -f manifests/ --prune -l app=web
  kustomize build . | stormo apply -f -`,
  commands: lastAppliedCommands,
  run: async (invocation) => {
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
  const after = await sendApply(invocation, client, { ...manifest, object }, before)
  if (option.flag(invocation, 'serverSide')) return { said: 'serverside-applied', object: after }
  if (!before) return { said: 'created', object: after }
  return { said: isSameObject(before, after) ? 'unchanged' : 'configured', object: after }
}
