import { readFileSync } from 'node:fs'
import { parseYaml } from '../../src/schema/yaml.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { localOption, patchObjects, patchOptions, type PatchType } from '../patch-objects.ts'

const types: readonly PatchType[] = ['json', 'merge', 'strategic']

export const patchCommand: CommandDefinition = {
  name: 'patch',
  arguments: '[type] [name...]',
  summary: 'Change some fields of objects',
  options: [
    ...patchOptions,
    localOption,
    { flags: '-p, --patch <patch>', summary: 'the patch, JSON or YAML' },
    { flags: '--patch-file <path>', summary: 'a file with the patch' },
    { flags: '--type <type>', summary: 'json, merge or strategic', default: 'strategic' },
    { flags: '--subresource <name>', summary: 'status, scale or resize' },
  ],
  examples: `Examples:
  stormo patch deployment web -p '{"spec":{"replicas":2}}'
  stormo patch pod web-0 --type=json -p '[{"op":"remove","path":"/metadata/labels/old"}]'`,
  async run(invocation) {
    const body = patchOf(invocation)
    const asked = option.text(invocation, 'type') ?? 'strategic'
    const type = types.find((one) => one === asked)
    if (type === undefined) throw new UsageError(`--type must be one of [json merge strategic], not "${asked}"`)
    const subresource = option.text(invocation, 'subresource')
    return await patchObjects(invocation, {
      fieldManager: 'stormo-patch',
      patchOf: () => ({ type, body, ...(subresource === undefined ? {} : { subresource }) }),
      said: ({ isSame }) => (isSame ? 'patched (no change)' : 'patched'),
    })
  },
}

function patchOf(invocation: Invocation): unknown {
  const inline = option.text(invocation, 'patch')
  const file = option.text(invocation, 'patchFile')
  if (inline === undefined && file === undefined)
    throw new UsageError('must specify --patch or --patch-file containing the contents of the patch')
  if (inline !== undefined && file !== undefined) throw new UsageError('cannot specify --patch and --patch-file')
  const text = inline ?? readFileSync(file!, 'utf8')
  try {
    return parseYaml(text).value
  } catch (error) {
    throw new UsageError(`unable to parse "${text}": ${error instanceof Error ? error.message : String(error)}`)
  }
}
