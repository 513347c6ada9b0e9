import { readFileSync } from 'node:fs'
import type { KubeObject } from '../../src/api/object.ts'
import { parseYaml } from '../../src/schema/yaml.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { displayName, pathOf } from '../discovery.ts'
import { printObject } from '../printers/object.ts'
import { selectObjects, selectionOptions } from '../select-objects.ts'
import { namespaceOptions } from '../targets.ts'
import { dryRunOf, dryRunSuffix, writeOptions } from '../write-options.ts'

const patchTypes = new Map([
  ['json', 'application/json-patch+json'],
  ['merge', 'application/merge-patch+json'],
  ['strategic', 'application/strategic-merge-patch+json'],
])

export const patchCommand: CommandDefinition = {
  name: 'patch',
  arguments: '[type] [name...]',
  summary: 'Change some fields of objects',
  options: [
    ...namespaceOptions,
    ...selectionOptions,
    { flags: '-p, --patch <patch>', summary: 'the patch, JSON or YAML' },
    { flags: '--patch-file <path>', summary: 'a file with the patch' },
    { flags: '--type <type>', summary: 'json, merge or strategic', default: 'strategic' },
    { flags: '--subresource <name>', summary: 'status, scale or resize' },
    ...writeOptions,
  ],
  examples: `Examples:
  stormo patch deployment web -p '{"spec":{"replicas":2}}'
  stormo patch pod web-0 --type=json -p '[{"op":"remove","path":"/metadata/labels/old"}]'`,
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const body = patchOf(invocation)
      const type = option.text(invocation, 'type') ?? 'strategic'
      const contentType = patchTypes.get(type)
      if (contentType === undefined) throw new UsageError(`--type must be one of [json merge strategic], not "${type}"`)
      const how = dryRunOf(invocation)
      const subresource = option.text(invocation, 'subresource')
      for (const { resource, namespace, name, object } of await selectObjects(invocation, client, {
        needExist: true,
      })) {
        const after = await client.json<KubeObject>({
          method: 'PATCH',
          path: pathOf(resource, namespace, name, subresource),
          query: {
            fieldManager: option.text(invocation, 'fieldManager') ?? 'stormo-patch',
            dryRun: how === 'none' ? undefined : 'All',
          },
          body,
          contentType,
        })
        const isSame = after.metadata.resourceVersion === object?.metadata.resourceVersion && how === 'none'
        const output = option.text(invocation, 'output')
        const said = `${displayName(resource, name)} patched${isSame ? ' (no change)' : ''}${dryRunSuffix(how)}\n`
        invocation.io.out(output === 'name' ? `${displayName(resource, name)}\n` : (printObject(after, output) ?? said))
      }
    }),
}

/** The patch as JSON text. */
function patchOf(invocation: Invocation): string {
  const inline = option.text(invocation, 'patch')
  const file = option.text(invocation, 'patchFile')
  if ((inline === undefined) === (file === undefined))
    throw new UsageError('must specify exactly one of --patch or --patch-file')
  const text = inline ?? readFileSync(file!, 'utf8')
  try {
    return JSON.stringify(parseYaml(text).value)
  } catch (error) {
    throw new UsageError(`unable to parse "${text}": ${error instanceof Error ? error.message : String(error)}`)
  }
}
