import type { KubeObject } from '../../src/api/object.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { parseYaml } from '../../src/schema/yaml.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { displayName, pathOf } from '../discovery.ts'
import { editText } from '../edit-text.ts'
import { printObject } from '../printers/object.ts'
import { describeError } from '../report-error.ts'
import { type SelectedObject, selectionOptions, selectObjects } from '../select-objects.ts'
import { namespaceOptions } from '../targets.ts'

const notice = `# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
`

export const editCommand: CommandDefinition = {
  name: 'edit',
  arguments: '[type] [name...]',
  summary: 'Change objects in an editor',
  options: [
    ...namespaceOptions,
    ...selectionOptions,
    { flags: '--subresource <name>', summary: 'status' },
    { flags: '--field-manager <name>', summary: 'who is recorded as the owner of the fields', default: 'stormo-edit' },
    { flags: '-o, --output <format>', summary: 'yaml or json', default: 'yaml' },
  ],
  run: (invocation) =>
    withClient(invocation, async (client) => {
      for (const one of await selectObjects(invocation, client, { needExist: true }))
        await edit(invocation, client, one)
    }),
}

/** Opens the editor until what it leaves is taken by the server, unchanged or empty. */
async function edit(invocation: Invocation, client: RestClient, one: SelectedObject): Promise<void> {
  const { io } = invocation
  const format = option.text(invocation, 'output') === 'json' ? 'json' : 'yaml'
  const original = printObject(one.object!, format) ?? ''
  let text = original
  let complaint = ''
  for (;;) {
    const opened = (format === 'yaml' ? notice + complaint : '') + text
    const saved = await editText(invocation, `${one.resource.singular}-${one.name}.${format}`, opened)
    text =
      format === 'yaml'
        ? saved
            .split('\n')
            .filter((line) => !line.startsWith('#'))
            .join('\n')
        : saved
    if (text.trim() === '' || text === original || saved === opened) {
      io.err(complaint === '' ? 'Edit cancelled, no changes made.\n' : 'Edit cancelled, the last change was refused.\n')
      if (complaint !== '') throw new UsageError('the edit was refused and nothing was changed')
      return
    }
    try {
      await save(invocation, client, one, text)
      io.out(`${displayName(one.resource, one.name)} edited\n`)
      return
    } catch (error) {
      const said = describeError(error)
      io.err(`${said}\n`)
      complaint =
        said
          .split('\n')
          .map((line) => `# ${line}\n`)
          .join('') + '#\n'
    }
  }
}

async function save(invocation: Invocation, client: RestClient, one: SelectedObject, text: string): Promise<void> {
  const edited = parseYaml(text).value as KubeObject
  // Fields that were not shown are not meant to be removed.
  const { managedFields } = one.object!.metadata
  const body = { ...edited, metadata: { ...edited.metadata, ...(managedFields ? { managedFields } : {}) } }
  const path = pathOf(one.resource, one.namespace, one.name, option.text(invocation, 'subresource'))
  const fieldManager = option.text(invocation, 'fieldManager')
  await client.send({ method: 'PUT', path, query: { fieldManager, fieldValidation: 'Strict' }, body })
}
