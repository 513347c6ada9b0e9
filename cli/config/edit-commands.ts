import { type CommandDefinition, option, UsageError } from '../command.ts'
import { entryField, fileOption, KubeconfigFiles, type Section } from './kubeconfig-files.ts'
import { setProperty, unsetProperty } from './properties.ts'
import { contextOf } from './view.ts'

export const useContextCommand: CommandDefinition = {
  name: 'use-context',
  aliases: ['use'],
  arguments: '<name>',
  summary: 'Use another context from now on',
  options: [fileOption],
  async run(invocation) {
    const files = KubeconfigFiles.of(invocation)
    const [name = ''] = invocation.args
    contextOf(files.merged(), name)
    files.setCurrent(name)
    files.save()
    invocation.io.out(`Switched to context "${name}".\n`)
  },
}

export const renameContextCommand: CommandDefinition = {
  name: 'rename-context',
  arguments: '<name> <new-name>',
  summary: 'Give a context another name',
  options: [fileOption],
  async run(invocation) {
    const files = KubeconfigFiles.of(invocation)
    const [name = '', newName = ''] = invocation.args
    const entry = files.entry('contexts', name)
    if (!entry) throw new UsageError(`cannot rename the context "${name}", it's not in ${files.path}`)
    if (files.entry('contexts', newName))
      throw new UsageError(
        `cannot rename the context "${name}", the context "${newName}" already exists in ${files.path}`,
      )
    const isCurrent = files.merged()['current-context'] === name
    files.remove('contexts', name)
    files.put('contexts', { ...entry, name: newName })
    if (isCurrent) files.setCurrent(newName)
    files.save()
    invocation.io.out(`Context "${name}" renamed to "${newName}".\n`)
  },
}

const deleteCommand = (section: Section): CommandDefinition => {
  const what = entryField[section]
  return {
    name: `delete-${what}`,
    arguments: '<name>',
    summary: `Take a ${what} out of the kubeconfig`,
    options: [fileOption],
    async run(invocation) {
      const files = KubeconfigFiles.of(invocation)
      const [name = ''] = invocation.args
      if (!files.entry(section, name)) throw new UsageError(`cannot delete ${what} ${name}, not in ${files.path}`)
      if (section === 'contexts' && files.merged()['current-context'] === name)
        invocation.io.err(
          'warning: this removed your active context, use "stormo config use-context" to select a different one\n',
        )
      files.remove(section, name)
      files.save()
      invocation.io.out(`deleted ${what} ${name} from ${files.path}\n`)
    },
  }
}

export const deleteCommands: readonly CommandDefinition[] = [
  deleteCommand('clusters'),
  deleteCommand('users'),
  deleteCommand('contexts'),
]

export const setCommand: CommandDefinition = {
  name: 'set',
  arguments: '<property> <value>',
  summary: 'Set one value, for example clusters.demo.server',
  options: [fileOption, { flags: '--set-raw-bytes', summary: 'the value of a …-data field is no base64 yet' }],
  async run(invocation) {
    const files = KubeconfigFiles.of(invocation)
    const [property = '', value = ''] = invocation.args
    setProperty(files, property, value, option.flag(invocation, 'setRawBytes'))
    files.save()
    invocation.io.out(`Property "${property}" set.\n`)
  },
}

export const unsetCommand: CommandDefinition = {
  name: 'unset',
  arguments: '<property>',
  summary: 'Take one value, entry or section away',
  options: [fileOption],
  async run(invocation) {
    const files = KubeconfigFiles.of(invocation)
    const [property = ''] = invocation.args
    unsetProperty(files, property)
    files.save()
    invocation.io.out(`Property "${property}" unset.\n`)
  },
}
