import type { KubeObject } from '../../src/api/object.ts'
import { parseYaml } from '../../src/schema/yaml.ts'
import { lastAppliedAnnotation, withLastApplied } from '../apply/last-applied.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { displayName, pathOf } from '../discovery.ts'
import { editText } from '../edit-text.ts'
import { manifestSources, readManifests } from '../manifests.ts'
import { eachObject, patchObjects, patchOptions, sendPatch } from '../patch-objects.ts'
import { printObject, toYaml } from '../printers/object.ts'
import { type SelectedObject, selectObjects, selectionOptions } from '../select-objects.ts'
import { namespaceOptions } from '../targets.ts'

const recordOf = (object: KubeObject): KubeObject | undefined => {
  const text = object.metadata.annotations?.[lastAppliedAnnotation]
  return text === undefined ? undefined : (JSON.parse(text) as KubeObject)
}

const formatOption = { flags: '-o, --output <format>', summary: 'yaml or json', default: 'yaml' }

/** Does `act` for each selected object with the record that it carries. */
const eachRecord = (
  invocation: Invocation,
  act: (one: SelectedObject, object: KubeObject, record: KubeObject) => Promise<void>,
): Promise<number> =>
  withClient(invocation, async (client) =>
    eachObject(invocation, await selectObjects(invocation, client, { needExist: false }), async (one) => {
      const path = pathOf(one.resource, one.namespace, one.name)
      const object = one.object ?? (await client.json<KubeObject>({ path }))
      const record = recordOf(object)
      if (!record) throw new UsageError(`no last-applied-configuration annotation found on resource: ${one.name}`)
      await act(one, object, record)
    }),
  )

const viewCommand: CommandDefinition = {
  name: 'view-last-applied',
  arguments: '[type] [name...]',
  summary: 'Print what was applied last',
  options: [...namespaceOptions, ...selectionOptions, formatOption],
  run: (invocation) =>
    eachRecord(invocation, async (_one, _object, record) => {
      const format = option.text(invocation, 'output') ?? 'yaml'
      if (format !== 'yaml' && format !== 'json')
        throw new UsageError(`Unexpected -o output mode: ${format}, the flag 'output' must be one of yaml|json`)
      invocation.io.out(printObject(record, format) ?? '')
    }),
}

const setCommand: CommandDefinition = {
  name: 'set-last-applied',
  summary: 'Record files as what was applied last, and change nothing else',
  options: [...patchOptions, { flags: '--create-annotation', summary: 'also where there is no record yet' }],
  async run(invocation) {
    const manifests = await readManifests(
      manifestSources(invocation),
      option.flag(invocation, 'recursive'),
      invocation.io,
    )
    const wanted = new Map(manifests.map(({ object }) => [`${object.kind}/${object.metadata.name}`, object]))
    return await patchObjects(invocation, {
      patchOf(object) {
        const manifest = wanted.get(`${object.kind}/${object.metadata.name}`) ?? object
        if (!recordOf(object) && !option.flag(invocation, 'createAnnotation'))
          throw new UsageError(
            `no last-applied-configuration annotation found on resource: ${object.metadata.name}, to create the annotation, run the command with --create-annotation`,
          )
        return { type: 'merge', body: recordPatch(object, manifest) }
      },
      said: () => 'configured',
    })
  },
}

const recordPatch = (object: KubeObject, record: KubeObject): unknown => ({
  metadata: {
    annotations: {
      [lastAppliedAnnotation]: withLastApplied(record, object.metadata.namespace).metadata.annotations?.[
        lastAppliedAnnotation
      ],
    },
  },
})

const editCommand: CommandDefinition = {
  name: 'edit-last-applied',
  arguments: '[type] [name...]',
  summary: 'Change the record of what was applied last in an editor',
  options: [...namespaceOptions, ...selectionOptions, formatOption],
  run: (invocation) =>
    eachRecord(invocation, async ({ resource, namespace, name }, object, record) => {
      const before = toYaml(record)
      const after = await editText(invocation, `${name}.yaml`, before)
      if (after.trim() === '' || after === before) return invocation.io.err('Edit cancelled, no changes made.\n')
      const body = recordPatch(object, parseYaml(after).value as KubeObject)
      await withClient(invocation, (client) =>
        sendPatch(client, pathOf(resource, namespace, name), { type: 'merge', body }),
      )
      invocation.io.out(`${displayName(resource, name)} edited\n`)
    }),
}

export const lastAppliedCommands: readonly CommandDefinition[] = [viewCommand, setCommand, editCommand]
