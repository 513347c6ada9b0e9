import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { parseYaml } from '../../src/schema/yaml.ts'
import { type CommandDefinition, type Invocation, option, type OptionDefinition, UsageError } from '../command.ts'
import { findKubeconfig } from '../connection.ts'
import { toYaml } from '../printers/object.ts'
import { printTable } from '../printers/table.ts'

interface NamedEntry {
  name: string
  cluster?: Record<string, unknown>
  user?: Record<string, unknown>
  context?: { cluster?: string; user?: string; namespace?: string }
}

interface Kubeconfig {
  'current-context'?: string
  clusters?: NamedEntry[]
  users?: NamedEntry[]
  contexts?: NamedEntry[]
}

const fileOption: OptionDefinition = { flags: '--kubeconfig <file>', summary: 'kubeconfig to read and change' }

function load(invocation: Invocation): { path: string; config: Kubeconfig } {
  const path = findKubeconfig(invocation)
  return { path, config: (parseYaml(readFileSync(path, 'utf8')).value ?? {}) as Kubeconfig }
}

/** Written whole and renamed: a reader sees the old file or the new one. */
function save(path: string, config: Kubeconfig): void {
  const draft = `${path}.${process.pid}.new`
  const mode = existsSync(path) ? statSync(path).mode & 0o777 : 0o600
  writeFileSync(draft, toYaml(config), { mode })
  renameSync(draft, path)
}

const secretFields = new Set([
  'client-key-data',
  'token',
  'password',
  'client-certificate-data',
  'certificate-authority-data',
])

/** Keys and tokens are left out of what is shown. */
const redacted = (fields: Record<string, unknown> | undefined): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields ?? {}).map(([key, value]) => {
      if (!secretFields.has(key)) return [key, value]
      return [key, key === 'token' || key === 'password' ? 'REDACTED' : 'DATA+OMITTED']
    }),
  )

const viewCommand: CommandDefinition = {
  name: 'view',
  summary: 'Print the kubeconfig',
  options: [
    fileOption,
    { flags: '--raw', summary: 'with keys and tokens' },
    { flags: '--minify', summary: 'only what the current context needs' },
    { flags: '-o, --output <format>', summary: 'yaml or json', default: 'yaml' },
  ],
  async run(invocation) {
    const { config } = load(invocation)
    const chosen = option.flag(invocation, 'minify') ? minified(config) : config
    const shown = option.flag(invocation, 'raw')
      ? chosen
      : {
          ...chosen,
          clusters: (chosen.clusters ?? []).map((one) => ({ ...one, cluster: redacted(one.cluster) })),
          users: (chosen.users ?? []).map((one) => ({ ...one, user: redacted(one.user) })),
        }
    const isJson = option.text(invocation, 'output') === 'json'
    invocation.io.out(isJson ? JSON.stringify(shown, null, 4) + '\n' : toYaml(shown))
  },
}

function minified(config: Kubeconfig): Kubeconfig {
  const entry = contextOf(config, config['current-context'])
  return {
    ...config,
    contexts: [entry],
    clusters: (config.clusters ?? []).filter((one) => one.name === entry.context?.cluster),
    users: (config.users ?? []).filter((one) => one.name === entry.context?.user),
  }
}

function contextOf(config: Kubeconfig, name: string | undefined): NamedEntry {
  if (!name) throw new UsageError('current-context is not set')
  const found = config.contexts?.find((one) => one.name === name)
  if (!found) throw new UsageError(`no context exists with the name: "${name}"`)
  return found
}

const getContextsCommand: CommandDefinition = {
  name: 'get-contexts',
  arguments: '[name]',
  summary: 'List the contexts',
  options: [
    fileOption,
    { flags: '-o, --output <format>', summary: 'name' },
    { flags: '--no-headers', summary: 'leave the header out' },
  ],
  async run(invocation) {
    const { config } = load(invocation)
    const [name] = invocation.args
    const contexts = name === undefined ? (config.contexts ?? []) : [contextOf(config, name)]
    if (option.text(invocation, 'output') === 'name') {
      for (const one of contexts) invocation.io.out(`${one.name}\n`)
      return
    }
    const rows = contexts.map((one) => [
      one.name === config['current-context'] ? '*' : '',
      one.name,
      one.context?.cluster ?? '',
      one.context?.user ?? '',
      one.context?.namespace ?? '',
    ])
    const header = ['CURRENT', 'NAME', 'CLUSTER', 'AUTHINFO', 'NAMESPACE']
    invocation.io.out(printTable(invocation.options['headers'] === false ? [] : header, rows))
  },
}

const currentContextCommand: CommandDefinition = {
  name: 'current-context',
  summary: 'Print the name of the context in use',
  options: [fileOption],
  async run(invocation) {
    const { config } = load(invocation)
    if (!config['current-context']) throw new UsageError('current-context is not set')
    invocation.io.out(`${config['current-context']}\n`)
  },
}

const useContextCommand: CommandDefinition = {
  name: 'use-context',
  aliases: ['use'],
  arguments: '<name>',
  summary: 'Use another context from now on',
  options: [fileOption],
  async run(invocation) {
    const { path, config } = load(invocation)
    const [name = ''] = invocation.args
    contextOf(config, name)
    save(path, { ...config, 'current-context': name })
    invocation.io.out(`Switched to context "${name}".\n`)
  },
}

const setContextCommand: CommandDefinition = {
  name: 'set-context',
  arguments: '[name]',
  summary: 'Make or change a context',
  options: [
    fileOption,
    { flags: '--current', summary: 'the context in use' },
    { flags: '--cluster <name>', summary: 'its cluster' },
    { flags: '--user <name>', summary: 'its user' },
    { flags: '-n, --namespace <namespace>', summary: 'its namespace' },
  ],
  async run(invocation) {
    const { path, config } = load(invocation)
    const name = option.flag(invocation, 'current') ? config['current-context'] : invocation.args[0]
    if (!name) throw new UsageError('name the context, or give --current')
    const before = config.contexts?.find((one) => one.name === name)
    const given = Object.fromEntries(
      ['cluster', 'user', 'namespace'].flatMap((key) => {
        const value = option.text(invocation, key)
        return value === undefined ? [] : [[key, value]]
      }),
    )
    const entry = { name, context: { ...before?.context, ...given } }
    const others = (config.contexts ?? []).filter((one) => one.name !== name)
    save(path, {
      ...config,
      contexts: before ? (config.contexts ?? []).map((one) => (one.name === name ? entry : one)) : [...others, entry],
    })
    invocation.io.out(`Context "${name}" ${before ? 'modified' : 'created'}.\n`)
  },
}

const namesCommand = (name: string, key: 'clusters' | 'users'): CommandDefinition => ({
  name,
  summary: `List the ${key}`,
  options: [fileOption],
  async run(invocation) {
    const rows = (load(invocation).config[key] ?? []).map((one) => [one.name])
    invocation.io.out(printTable(['NAME'], rows))
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
    namesCommand('get-clusters', 'clusters'),
    namesCommand('get-users', 'users'),
  ],
}
