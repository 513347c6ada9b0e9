import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { absolutePaths, mergeKubeconfigs } from '../../src/client/kubeconfig.ts'
import { setClusterCommand, setContextCommand, setCredentialsCommand } from '../config/set-commands.ts'
import { fileOption, KubeconfigFiles } from '../config/kubeconfig-files.ts'
import {
  deleteCommands,
  renameContextCommand,
  setCommand,
  unsetCommand,
  useContextCommand,
} from '../config/edit-commands.ts'
import { flattened, minified, redacted } from '../config/view.ts'
import { type CommandDefinition, option, UsageError } from '../command.ts'
import { outputOf, outputOptions, printAsAsked } from '../output-format.ts'
import { printTable } from '../printers/table.ts'

const viewCommand: CommandDefinition = {
  name: 'view',
  summary: 'Print the kubeconfig; keys and tokens are left out',
  options: [
    fileOption,
    { flags: '--context <name>', summary: 'as if this were the context in use' },
    { flags: '--raw', summary: 'with keys and tokens' },
    { flags: '--minify', summary: 'only what the current context needs' },
    { flags: '--flatten', summary: 'with the contents of the files that it names, and keys and tokens' },
    { flags: '--merge <yes>', summary: 'accepted: several kubeconfigs are shown as one' },
    { flags: '-o, --output <format>', summary: 'yaml, json, jsonpath=… or go-template=…', default: 'yaml' },
    ...outputOptions.slice(1),
  ],
  async run(invocation) {
    const files = KubeconfigFiles.of(invocation).all()
    const merged = mergeKubeconfigs(files.map(({ path, config }) => absolutePaths(config, dirname(resolve(path)))))
    const context = option.text(invocation, 'context')
    const config = context === undefined ? merged : { ...merged, 'current-context': context }
    const chosen = option.flag(invocation, 'minify') ? minified(config) : config
    const shown = option.flag(invocation, 'flatten')
      ? flattened(chosen, (path) => readFileSync(path))
      : option.flag(invocation, 'raw')
        ? chosen
        : redacted(chosen)
    const output = outputOf(invocation)
    const printed = printAsAsked(invocation, shown)
    if (printed === undefined)
      throw new UsageError(`unable to match a printer suitable for the output format "${output}"`)
    invocation.io.out(printed)
  },
}

const getContextsCommand: CommandDefinition = {
  name: 'get-contexts',
  arguments: '[name...]',
  summary: 'List the contexts',
  options: [
    fileOption,
    { flags: '-o, --output <format>', summary: 'name' },
    { flags: '--no-headers', summary: 'leave the header out' },
  ],
  async run(invocation) {
    const config = KubeconfigFiles.of(invocation).merged()
    const { args } = invocation
    const all = (config.contexts ?? []).toSorted((a, b) => (a.name < b.name ? -1 : 1))
    const contexts = args.length === 0 ? all : all.filter(({ name }) => args.includes(name))
    const output = option.text(invocation, 'output')
    if (output !== undefined && output !== 'name') throw new UsageError(`output must be one of '' or 'name': ${output}`)
    if (output === 'name') {
      for (const one of contexts) invocation.io.out(`${one.name}\n`)
    } else {
      const rows = contexts.map((one) => [
        one.name === config['current-context'] ? '*' : '',
        one.name,
        one.context?.cluster ?? '',
        one.context?.user ?? '',
        one.context?.namespace ?? '',
      ])
      const header = ['CURRENT', 'NAME', 'CLUSTER', 'AUTHINFO', 'NAMESPACE']
      invocation.io.out(printTable(invocation.options['headers'] === false ? [] : header, rows))
    }
    const missing = args.filter((name) => !all.some((one) => one.name === name))
    for (const name of missing) invocation.io.err(`error: context ${name} not found\n`)
    return missing.length > 0 ? 1 : 0
  },
}

const currentContextCommand: CommandDefinition = {
  name: 'current-context',
  summary: 'Print the name of the context in use',
  options: [fileOption],
  async run(invocation) {
    const name = KubeconfigFiles.of(invocation).merged()['current-context']
    if (!name) throw new UsageError('current-context is not set')
    invocation.io.out(`${name}\n`)
  },
}

const namesCommand = (name: string, section: 'clusters' | 'users'): CommandDefinition => ({
  name,
  summary: `List the ${section}`,
  options: [fileOption],
  async run(invocation) {
    const entries = KubeconfigFiles.of(invocation).merged()[section] ?? []
    invocation.io.out(
      printTable(
        ['NAME'],
        entries.map((one) => [one.name]).toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
      ),
    )
  },
})

export const configCommand: CommandDefinition = {
  name: 'config',
  summary: 'The kubeconfig: clusters, users and contexts',
  commands: [
    viewCommand,
    getContextsCommand,
    currentContextCommand,
    useContextCommand,
    setContextCommand,
    renameContextCommand,
    namesCommand('get-clusters', 'clusters'),
    setClusterCommand,
    namesCommand('get-users', 'users'),
    setCredentialsCommand,
    ...deleteCommands,
    setCommand,
    unsetCommand,
  ],
}
