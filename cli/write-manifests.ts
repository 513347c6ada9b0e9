import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KubeObject } from '../src/api/object.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { type Invocation, option, type OptionDefinition, UsageError } from './command.ts'
import { withClient } from './connection.ts'
import { type ApiResource, discover, displayName, pathOf, resourceOfKind } from './discovery.ts'
import { type Manifest, manifestSources, readManifests } from './manifests.ts'
import { paintOutcome, paletteFor, paletteOf } from './printers/colour.ts'
import { outputOf, printAsAsked } from './output-format.ts'
import { describeError } from './report-error.ts'
import { namespaceOf } from './targets.ts'
import { dryRunOf, dryRunSuffix, fieldValidationOf } from './write-options.ts'

export const fileOptions: readonly OptionDefinition[] = [
  { flags: '-f, --filename <source>', summary: 'file, directory, URL, or - for standard input', repeatable: true },
  { flags: '-k, --kustomize <directory>', summary: 'kustomization, built by the kustomize or kubectl on the PATH' },
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
  /** Lines about what was done, for standard error. */
  notes?: string
}

/** Undefined: this object is none that the verb is about. */
export type ManifestVerb = (
  invocation: Invocation,
  client: RestClient,
  manifest: PreparedManifest,
) => Promise<Written | undefined>

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
    const manifests = await readManifests(manifestSources(invocation), option.flag(invocation, 'recursive'), io)
    checkDuplicates(invocation, manifests)
    const prepared = await prepare(invocation, client, manifests)
    const written: PreparedManifest[] = []
    const write = async (manifest: PreparedManifest): Promise<void> => {
      try {
        const done = await verb(invocation, client, manifest)
        if (done) say(invocation, manifest, done)
        written.push(manifest)
      } catch (error) {
        const text = describeError(error, `error when ${doing} "${manifest.source}"`)
        io.err(`${paletteFor(io, io.stderr, invocation.options['color'])('bad', text)}\n`)
      }
    }
    const definesKinds = manifests.some(({ object }) => object.kind === 'CustomResourceDefinition')
    const mayCome = definesKinds && dryRunOf(invocation) === 'none' ? prepared.unknown : []
    if (mayCome.length === 0) for (const failure of prepared.failures) io.err(`${failure}\n`)
    for (const manifest of prepared.manifests) await write(manifest)
    if (mayCome.length > 0) {
      const late = await prepareLate(invocation, client, mayCome)
      for (const failure of late.failures) io.err(`${failure}\n`)
      for (const manifest of late.manifests) await write(manifest)
    }
    const failedCount = manifests.length - written.length
    if (failedCount === 0) await finish?.(client, written)
    if (failedCount > 0 && written.length > 0)
      io.err(`${failedCount} of ${manifests.length} objects failed; the others are done\n`)
    return failedCount > 0 ? 1 : 0
  })

/** How long a definition that was just written may take until its kind is served. */
const kindDeadlineMs = 10_000
const kindPollMs = 100

/** Objects of kinds that the same manifests define: their kinds are served a moment after the definition is there. */
async function prepareLate(
  invocation: Invocation,
  client: RestClient,
  manifests: readonly Manifest[],
): ReturnType<typeof prepare> {
  const deadlineMs = Date.now() + kindDeadlineMs
  for (;;) {
    const found = await prepare(invocation, client, manifests)
    if (found.unknown.length === 0 || Date.now() > deadlineMs) return found
    await sleep(kindPollMs, undefined, { signal: invocation.io.signal })
  }
}

function say(invocation: Invocation, { resource }: PreparedManifest, { said, object, notes = '' }: Written): void {
  const output = outputOf(invocation)
  const name = displayName(resource, object.metadata.name ?? '')
  const line = output === 'name' ? name : `${name} ${said}${dryRunSuffix(dryRunOf(invocation))}`
  invocation.io.out(printAsAsked(invocation, object) ?? `${paintOutcome(line, paletteOf(invocation))}\n`)
  invocation.io.err(notes)
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
): Promise<{ manifests: PreparedManifest[]; unknown: Manifest[]; failures: string[] }> {
  const resources = await discover(client)
  const asked = option.text(invocation, 'namespace')
  const failures: string[] = []
  const unknown: Manifest[] = []
  const found: PreparedManifest[] = []
  for (const manifest of manifests) {
    const { apiVersion, kind, metadata } = manifest.object
    const resource = resourceOfKind(resources, apiVersion, kind)
    if (!resource) {
      unknown.push(manifest)
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
  return { manifests: found, unknown, failures }
}

/** `--raw`: the one file goes to the path as it is, and what the server answers is printed. */
export async function sendRaw(invocation: Invocation, method: string, path: string): Promise<number> {
  const [file, ...others] = option.list(invocation, 'filename')
  if (file === undefined || others.length > 0) throw new UsageError('--raw can only use a single local file or stdin')
  const body = await readFile(file === '-' ? '/dev/stdin' : file, 'utf8')
  invocation.io.out((await withClient(invocation, (client) => client.send({ method, path, body }))).text)
  return 0
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
