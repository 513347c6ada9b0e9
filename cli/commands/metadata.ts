import type { KubeObject } from '../../src/api/object.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { displayName, pathOf } from '../discovery.ts'
import { namespaceOf, namespaceOptions, targetsOf } from '../targets.ts'
import { listAll } from '../list-all.ts'

/** `label` and `annotate` differ in the map they write and in a word. */
function metadataCommand(name: 'label' | 'annotate', map: 'labels' | 'annotations', done: string): CommandDefinition {
  return {
    name,
    arguments: '<type> [name-or-change...]',
    summary: `Set (key=value) or remove (key-) ${map}`,
    options: [
      ...namespaceOptions,
      { flags: '--overwrite', summary: 'change what is there' },
      { flags: '--all', summary: 'all objects of the type' },
      { flags: '-l, --selector <selector>', summary: 'objects with these labels' },
    ],
    run: (invocation) => withClient(invocation, (client) => change(invocation, client, map, done)),
  }
}

export const labelCommand = metadataCommand('label', 'labels', 'labeled')
export const annotateCommand = metadataCommand('annotate', 'annotations', 'annotated')

async function change(
  invocation: Invocation,
  client: Parameters<typeof namespaceOf>[1],
  map: 'labels' | 'annotations',
  done: string,
): Promise<number> {
  const isChange = (arg: string): boolean =>
    arg.includes('=') || (arg.endsWith('-') && !arg.includes('/')) || /^[^/]+\/[^/]+-$/.test(arg)
  const changes = changesOf(invocation.args.slice(1).filter(isChange))
  const named = [invocation.args[0]!, ...invocation.args.slice(1).filter((arg) => !isChange(arg))]
  if (changes.size === 0) throw new UsageError(`at least one change of ${map} is required: key=value or key-`)
  const namespace = namespaceOf(invocation, client)
  const { targets } = await targetsOf(client, named)
  const labelSelector = option.text(invocation, 'selector')
  for (const { resource, name } of targets) {
    if (name === undefined && labelSelector === undefined && !option.flag(invocation, 'all'))
      throw new UsageError('one or more resources must be specified as <resource> <name> or <resource>/<name>')
    for (const object of await listAll(
      client,
      pathOf(resource, namespace, name),
      { labelSelector },
      { resource, name },
    )) {
      refuseOverwrite(invocation, object, map, changes)
      const before = object.metadata.resourceVersion
      const body = JSON.stringify({ metadata: { [map]: Object.fromEntries(changes) } })
      const path = pathOf(resource, object.metadata.namespace ?? namespace, object.metadata.name)
      const after = await client.json<KubeObject>({
        method: 'PATCH',
        path,
        body,
        contentType: 'application/merge-patch+json',
        query: { fieldManager: 'stormo' },
      })
      const said =
        // Only labels tell whether there was anything to do, as with kubectl.
        map === 'annotations'
          ? done
          : before === after.metadata.resourceVersion
            ? `not ${done}`
            : [...changes.values()].every((value) => value === null)
              ? `un${done}`
              : done
      invocation.io.out(`${displayName(resource, object.metadata.name ?? '')} ${said}\n`)
    }
  }
  return 0
}

function changesOf(args: readonly string[]): Map<string, string | null> {
  const changes = new Map<string, string | null>()
  for (const arg of args) {
    const at = arg.indexOf('=')
    if (at === 0) throw new UsageError(`invalid change "${arg}": the key is missing`)
    if (at > 0) changes.set(arg.slice(0, at), arg.slice(at + 1))
    else changes.set(arg.slice(0, -1), null)
  }
  return changes
}

function refuseOverwrite(
  invocation: Invocation,
  object: KubeObject,
  map: 'labels' | 'annotations',
  changes: ReadonlyMap<string, string | null>,
): void {
  if (option.flag(invocation, 'overwrite')) return
  for (const [key, value] of changes) {
    const current = object.metadata[map]?.[key]
    if (value !== null && current !== undefined && current !== value)
      throw new UsageError(`'${key}' already has a value (${current}), and --overwrite is false`)
  }
}
