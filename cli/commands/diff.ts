import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubeObject } from '../../src/api/object.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { appliedObject, liveObject, sendApply } from '../apply/apply-object.ts'
import { withClient } from '../connection.ts'
import { manifestSources, readManifests } from '../manifests.ts'
import { printObject } from '../printers/object.ts'
import { namespaceOptions } from '../targets.ts'
import { runProgram } from '../run-program.ts'
import { fileOptions, pathOfManifest, prepare } from '../write-manifests.ts'

/** Exit codes of diff(1): 1 for a difference, more for trouble. */
const trouble = 2

export const diffCommand: CommandDefinition = {
  name: 'diff',
  summary: 'What an apply would change',
  options: [
    ...namespaceOptions,
    ...fileOptions,
    { flags: '--field-manager <name>', summary: 'as whom it would be applied' },
    { flags: '--server-side', summary: 'refuse to take fields over that others have set' },
    { flags: '--force-conflicts', summary: 'with --server-side: take them over all the same' },
    { flags: '--show-managed-fields', summary: 'with metadata.managedFields' },
  ],
  examples: `Exit code: 0 for no difference, 1 for some, more than 1 for trouble.
$KUBECTL_EXTERNAL_DIFF names another program than 'diff -u -N'.`,
  run: async (invocation) => {
    try {
      return await withClient(invocation, (client) => diff(invocation, client))
    } catch (error) {
      const { reportError } = await import('../report-error.ts')
      reportError(invocation.io, error)
      return trouble
    }
  },
}

async function diff(invocation: Invocation, client: RestClient): Promise<number> {
  const sources = manifestSources(invocation)
  const manifests = await readManifests(sources, option.flag(invocation, 'recursive'), invocation.io)
  const { manifests: prepared, failures } = await prepare(invocation, client, manifests)
  if (failures.length > 0) throw new UsageError(failures.join('\n'))
  const dir = mkdtempSync(join(tmpdir(), 'stormo-diff-'))
  try {
    mkdirSync(join(dir, 'LIVE'))
    mkdirSync(join(dir, 'MERGED'))
    for (const manifest of prepared) {
      const { resource, namespace, object } = manifest
      const path = pathOfManifest(manifest)
      const live = await liveObject(client, path)
      const wanted = { ...manifest, object: appliedObject(invocation, manifest, live) }
      const merged = await sendApply(invocation, client, wanted, live, 'All')
      const group = resource.group ? `${resource.group}.` : ''
      const file = `${group}${resource.version}.${resource.kind}.${resource.namespaced ? namespace : ''}.${object.metadata.name}`
      const view = { withManagedFields: option.flag(invocation, 'showManagedFields') }
      if (live) writeFileSync(join(dir, 'LIVE', file), printObject(shown(live), 'yaml', view) ?? '')
      writeFileSync(join(dir, 'MERGED', file), printObject(shown(merged), 'yaml', view) ?? '')
    }
    return await runDiff(invocation, dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Values of secrets stay unseen; that they differ can still be told. */
function shown(object: KubeObject & { data?: Record<string, string> }): KubeObject {
  if (object.kind !== 'Secret' || !object.data) return object
  const data = Object.fromEntries(
    Object.entries(object.data).map(([key, value]) => [key, `*** (${value.length} bytes)`]),
  )
  return { ...object, data } as KubeObject
}

function runDiff(invocation: Invocation, dir: string): Promise<number> {
  const [program = 'diff', ...args] = (invocation.io.env['KUBECTL_EXTERNAL_DIFF'] ?? 'diff -u -N').split(/\s+/)
  return runProgram(program, [...args, join(dir, 'LIVE'), join(dir, 'MERGED')], invocation.io.env)
}
