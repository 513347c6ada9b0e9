import type { KubeObject } from '../src/api/object.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { sameJson } from '../src/lib/same-json.ts'
import { type Invocation, option, type OptionDefinition, UsageError } from './command.ts'
import { withClient } from './connection.ts'
import { type ApiResource, displayName, pathOf } from './discovery.ts'
import { manifestSources, readManifests } from './manifests.ts'
import { outputOf, printAsAsked } from './output-format.ts'
import { reportError } from './report-error.ts'
import { type SelectedObject, selectObjects, selectionOptions } from './select-objects.ts'
import { namespaceOptions } from './targets.ts'
import { type DryRun, dryRunOf, dryRunSuffix, writeOptions } from './write-options.ts'

export type PatchType = 'json' | 'merge' | 'strategic'

const contentTypes: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
}

export interface ObjectPatch {
  type: PatchType
  body: unknown
  subresource?: string
  /** Only if the object still has this version. */
  resourceVersion?: string
}

export interface PatchedObject {
  before: KubeObject
  after: KubeObject
  resource: ApiResource
  /** Nothing was to be changed. */
  isSame: boolean
}

/** A verb that changes objects one by one: which patch it sends, and what it says of each. */
export interface PatchVerb {
  /** No patch: there is nothing to do. Throws UsageError for an object that the verb does not fit. */
  patchOf(object: KubeObject, resource: ApiResource): ObjectPatch | undefined
  /** What is said after the object's name; undefined says nothing. */
  said(patched: PatchedObject): string | undefined
  fieldManager?: string
}

export const patchOptions: readonly OptionDefinition[] = [...namespaceOptions, ...selectionOptions, ...writeOptions]

export const localOption: OptionDefinition = {
  flags: '--local',
  summary: 'change what the files say and print it; the server is not asked',
}

/**
 * Patches every object that the command line selects (names, -f, -l, --all). An object that cannot be changed is told
 * and does not keep the others back; the exit code is 1 then.
 */
export async function patchObjects(invocation: Invocation, verb: PatchVerb): Promise<number> {
  if (option.flag(invocation, 'local')) return await patchLocally(invocation, verb)
  return await withClient(invocation, async (client) =>
    eachObject(invocation, await selectObjects(invocation, client, { needExist: false }), (one) =>
      patchOne(invocation, client, one, verb),
    ),
  )
}

/** Does `act` for each; a refusal is told, and the others are still done. Returns the exit code. */
export async function eachObject<T>(
  invocation: Invocation,
  objects: readonly T[],
  act: (one: T) => Promise<void>,
): Promise<number> {
  let exitCode = 0
  for (const one of objects) {
    try {
      await act(one)
    } catch (error) {
      if (invocation.io.signal.aborted) throw error
      reportError(invocation.io, error)
      exitCode = 1
    }
  }
  return exitCode
}

async function patchOne(
  invocation: Invocation,
  client: RestClient,
  { resource, namespace, name, object }: SelectedObject,
  verb: PatchVerb,
): Promise<void> {
  const before = object ?? (await client.json<KubeObject>({ path: pathOf(resource, namespace, name) }))
  const patch = verb.patchOf(before, resource)
  const how = dryRunOf(invocation)
  const after =
    patch === undefined
      ? before
      : await sendPatch(client, pathOf(resource, namespace, name, patch.subresource), patch, {
          dryRun: how,
          fieldManager: option.text(invocation, 'fieldManager') ?? verb.fieldManager ?? 'stormo',
        })
  const isSame = patch === undefined || isSameObject(before, after)
  sayPatched(invocation, verb, { before, after, resource, isSame }, how)
}

export const sendPatch = (
  client: RestClient,
  path: string,
  patch: ObjectPatch,
  { dryRun = 'none', fieldManager = 'stormo' }: { dryRun?: DryRun; fieldManager?: string } = {},
): Promise<KubeObject> =>
  client.json<KubeObject>({
    method: 'PATCH',
    path,
    body: JSON.stringify(
      patch.resourceVersion === undefined
        ? patch.body
        : {
            ...(patch.body as object),
            metadata: { ...metadataOf(patch.body), resourceVersion: patch.resourceVersion },
          },
    ),
    contentType: contentTypes[patch.type],
    query: { fieldManager, dryRun: dryRun === 'none' ? undefined : 'All' },
  })

const metadataOf = (body: unknown): object => (body as { metadata?: object }).metadata ?? {}

/** Whether two states of an object say the same, apart from what the server notes of each write. */
export function isSameObject(before: KubeObject, after: KubeObject): boolean {
  if (before.metadata.resourceVersion === after.metadata.resourceVersion && sameJson(before, after)) return true
  const said = ({ metadata, ...rest }: KubeObject): unknown => {
    const { resourceVersion: _version, managedFields: _fields, generation: _generation, ...others } = metadata
    return { ...rest, metadata: others }
  }
  return sameJson(said(before), said(after))
}

function sayPatched(invocation: Invocation, verb: PatchVerb, patched: PatchedObject, how: DryRun): void {
  const { io } = invocation
  const { resource, before, after } = patched
  const output = outputOf(invocation)
  const name = displayName(resource, before.metadata.name ?? '')
  if (output === 'name') return io.out(`${name}\n`)
  const typed = { ...after, apiVersion: after.apiVersion ?? before.apiVersion, kind: after.kind ?? before.kind }
  const printed = printAsAsked(invocation, typed)
  if (printed !== undefined) return io.out(printed)
  const said = verb.said(patched)
  if (said !== undefined) io.out(`${name} ${said}${dryRunSuffix(how)}\n`)
}

async function patchLocally(invocation: Invocation, verb: PatchVerb): Promise<number> {
  const sources = manifestSources(invocation)
  if (sources.length === 0)
    throw new UsageError(
      "you must specify resources by --filename when --local is set.\nExample resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'",
    )
  const manifests = await readManifests(sources, option.flag(invocation, 'recursive'), invocation.io)
  const { applyLocally } = await import('./local-patch.ts')
  return await eachObject(
    invocation,
    manifests.map(({ object }) => object),
    async (object) => {
      const resource = resourceByKind(object)
      const patch = verb.patchOf(object, resource)
      const after = patch ? applyLocally(object, patch) : object
      sayPatched(invocation, verb, { before: object, after, resource, isSame: sameJson(object, after) }, 'none')
    },
  )
}

/** What can be said of a kind without asking a server. */
function resourceByKind({ apiVersion = '', kind = '' }: KubeObject): ApiResource {
  const [group, version] = apiVersion.includes('/') ? (apiVersion.split('/') as [string, string]) : ['', apiVersion]
  const singular = kind.toLowerCase()
  return {
    group,
    version,
    kind,
    singular,
    resource: `${singular}s`,
    namespaced: true,
    shortNames: [],
    categories: [],
    verbs: [],
    subresources: [],
  }
}
