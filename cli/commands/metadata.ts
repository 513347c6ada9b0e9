import type { KubeObject } from '../../src/api/object.ts'
import { labelValue } from '../../src/kinds/meta/names.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { eachObject, localOption, patchObjects, patchOptions, type PatchVerb } from '../patch-objects.ts'
import { selectObjects } from '../select-objects.ts'
import { displayName, pathOf } from '../discovery.ts'

type MetadataMap = 'labels' | 'annotations'

/** `label` and `annotate` differ in the map they write and in a few words. */
function metadataCommand(name: 'label' | 'annotate', map: MetadataMap): CommandDefinition {
  return {
    name,
    arguments: '[type] [name-or-change...]',
    summary: `Set (key=value) or remove (key-) ${map}`,
    options: [
      ...patchOptions,
      localOption,
      { flags: '--overwrite', summary: 'change what is there' },
      { flags: '--list', summary: `print the ${map} that there are` },
      { flags: '--resource-version <version>', summary: 'only if the object has this version' },
    ],
    run: (invocation) => change(invocation, map),
  }
}

export const labelCommand = metadataCommand('label', 'labels')
export const annotateCommand = metadataCommand('annotate', 'annotations')

const isChange = (arg: string): boolean =>
  arg.includes('=') || (arg.endsWith('-') && !arg.includes('/')) || /^[^/]+\/[^/]+-$/.test(arg)

async function change(invocation: Invocation, map: MetadataMap): Promise<number> {
  const hasFiles = option.list(invocation, 'filename').length > 0 || option.text(invocation, 'kustomize') !== undefined
  const [first, ...others] = invocation.args
  const words = hasFiles || first === undefined ? invocation.args : others
  const changes = changesOf(words.filter(isChange), map)
  const args = [...(words === others ? [first!] : []), ...words.filter((word) => !isChange(word))]
  const about = { ...invocation, args }
  if (option.flag(invocation, 'list')) return await list(about, map)
  if (changes.size === 0)
    throw new UsageError(`at least one ${map === 'labels' ? 'label' : 'annotation'} update is required`)
  return await patchObjects(about, verbOf(invocation, map, changes))
}

function verbOf(invocation: Invocation, map: MetadataMap, changes: ReadonlyMap<string, string | null>): PatchVerb {
  const resourceVersion = option.text(invocation, 'resourceVersion')
  return {
    patchOf(object) {
      const current = object.metadata[map] ?? {}
      if (!option.flag(invocation, 'overwrite')) refuseOverwrite(current, map, changes)
      for (const [key, value] of changes)
        if (map === 'labels' && value === null && current[key] === undefined)
          invocation.io.out(`label "${key}" not found.\n`)
      const body = { metadata: { [map]: Object.fromEntries(changes) } }
      return { type: 'merge', body, ...(resourceVersion === undefined ? {} : { resourceVersion }) }
    },
    said({ before, after, isSame }) {
      if (map === 'annotations') return 'annotated'
      if (isSame) return 'not labeled'
      // Of several changes kubectl tells by whether there is less to read than before.
      const length = ({ metadata }: KubeObject): number => JSON.stringify(metadata.labels ?? {}).length
      return !option.flag(invocation, 'overwrite') && length(after) < length(before) ? 'unlabeled' : 'labeled'
    },
  }
}

function changesOf(args: readonly string[], map: MetadataMap): Map<string, string | null> {
  const changes = new Map<string, string | null>()
  for (const arg of args) {
    const at = arg.indexOf('=')
    if (at === 0) throw new UsageError(`invalid change "${arg}": the key is missing`)
    if (at < 0) {
      changes.set(arg.slice(0, -1), null)
      continue
    }
    const value = arg.slice(at + 1)
    const [wrong] = map === 'labels' ? labelValue(value) : []
    if (wrong !== undefined) throw new UsageError(`invalid label value: "${arg}": ${wrong}`)
    changes.set(arg.slice(0, at), value)
  }
  return changes
}

function refuseOverwrite(
  current: Readonly<Record<string, string>>,
  map: MetadataMap,
  changes: ReadonlyMap<string, string | null>,
): void {
  const standing = [...changes].filter(
    ([key, value]) => value !== null && current[key] !== undefined && current[key] !== value,
  )
  if (standing.length === 0) return
  const said = standing.map(([key]) => `'${key}' already has a value (${current[key]})`)
  throw new UsageError(
    map === 'labels'
      ? `${said[0]}, and --overwrite is false`
      : `--overwrite is false but found the following declared annotation(s): ${said.join('; ')}`,
  )
}

const list = (invocation: Invocation, map: MetadataMap): Promise<number> =>
  withClient(invocation, async (client) => {
    const selected = await selectObjects(invocation, client, { needExist: false })
    return await eachObject(invocation, selected, async ({ resource, namespace, name, ...one }) => {
      const object = one.object ?? (await client.json<KubeObject>({ path: pathOf(resource, namespace, name) }))
      if (selected.length > 1) invocation.io.out(`Listing ${map} for ${displayName(resource, name)}:\n`)
      for (const [key, value] of Object.entries(object.metadata[map] ?? {})) invocation.io.out(`${key}=${value}\n`)
    })
  })
