import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { connectionOptions, withClient } from '../connection.ts'
import { apiVersionOf, type ApiResource, discover } from '../discovery.ts'
import { explainSchema, type OpenApiDocument } from '../printers/explain.ts'
import { toYaml } from '../printers/object.ts'
import { printTable } from '../printers/table.ts'
import { findResource } from '../discovery.ts'

export const apiResourcesCommand: CommandDefinition = {
  name: 'api-resources',
  summary: 'List the types that the server knows',
  options: [
    ...connectionOptions,
    { flags: '-o, --output <format>', summary: 'wide or name' },
    { flags: '--api-group <group>', summary: 'only of this group' },
    { flags: '--namespaced <yes>', summary: 'true: only types in namespaces; false: only others' },
    { flags: '--verbs <verbs>', summary: 'only types with these verbs' },
    { flags: '--categories <categories>', summary: 'only types of these categories' },
    { flags: '--sort-by <what>', summary: 'name or kind' },
    { flags: '--no-headers', summary: 'leave the header out' },
    { flags: '--cached', summary: 'accepted; nothing is cached' },
  ],
  run: (invocation) => withClient(invocation, async (client) => listResources(invocation, await discover(client))),
}

function listResources(invocation: Invocation, all: readonly ApiResource[]): void {
  const output = option.text(invocation, 'output')
  if (output !== undefined && output !== 'wide' && output !== 'name')
    throw new UsageError(`--output ${output} is not available`)
  const list = (name: string): string[] => option.text(invocation, name)?.split(',') ?? []
  const group = option.text(invocation, 'apiGroup')
  const namespaced = option.text(invocation, 'namespaced')
  const wanted = all.filter(
    (one) =>
      (group === undefined || one.group === group) &&
      (namespaced === undefined || String(one.namespaced) === namespaced) &&
      list('verbs').every((verb) => one.verbs.includes(verb)) &&
      list('categories').every((category) => one.categories.includes(category)),
  )
  // A resource is listed once, in its group's preferred version.
  const resources = [
    ...new Map(wanted.toReversed().map((one) => [`${one.resource}.${one.group}`, one])).values(),
  ].toReversed()
  const key = (one: ApiResource): string =>
    option.text(invocation, 'sortBy') === 'kind'
      ? one.kind
      : option.text(invocation, 'sortBy') === 'name'
        ? one.resource
        : `${one.group} ${one.resource}`
  resources.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
  if (output === 'name') {
    for (const one of resources) invocation.io.out(`${one.group ? `${one.resource}.${one.group}` : one.resource}\n`)
    return
  }
  const header = ['NAME', 'SHORTNAMES', 'APIVERSION', 'NAMESPACED', 'KIND', ...(output ? ['VERBS', 'CATEGORIES'] : [])]
  const rows = resources.map((one) => [
    one.resource,
    one.shortNames.join(','),
    apiVersionOf(one),
    String(one.namespaced),
    one.kind,
    ...(output ? [one.verbs.join(','), one.categories.join(',')] : []),
  ])
  invocation.io.out(printTable(invocation.options['headers'] === false ? [] : header, rows))
}

export const apiVersionsCommand: CommandDefinition = {
  name: 'api-versions',
  summary: 'List the API versions that the server knows',
  options: connectionOptions,
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const versions = (await discover(client)).map((one) => apiVersionOf(one))
      for (const version of [...new Set(versions)].toSorted()) invocation.io.out(`${version}\n`)
    }),
}

interface VersionInfo {
  major: string
  minor: string
  gitVersion: string
}

export const versionCommand: CommandDefinition = {
  name: 'version',
  summary: 'Print the version of this program and of the server',
  options: [
    ...connectionOptions,
    { flags: '--client', summary: 'only of this program' },
    { flags: '-o, --output <format>', summary: 'json or yaml' },
  ],
  async run(invocation) {
    const { io } = invocation
    const { readFileSync } = await import('node:fs')
    const file = new URL('../../package.json', import.meta.url)
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
    const clientVersion = {
      gitVersion: `v${version}`,
      platform: `${process.platform}/${process.arch}`,
      node: process.version,
    }
    const serverVersion = option.flag(invocation, 'client')
      ? undefined
      : await withClient(invocation, (client) => client.json<VersionInfo>({ path: '/version' }))
    const output = option.text(invocation, 'output')
    const both = { clientVersion, ...(serverVersion ? { serverVersion } : {}) }
    if (output === 'json') return io.out(JSON.stringify(both, null, 2) + '\n')
    if (output === 'yaml') return io.out(toYaml(both))
    if (output !== undefined) throw new UsageError(`--output must be 'yaml' or 'json'`)
    io.out(`Client Version: ${clientVersion.gitVersion}\n`)
    if (serverVersion) io.out(`Server Version: ${serverVersion.gitVersion}\n`)
  },
}

export const explainCommand: CommandDefinition = {
  name: 'explain',
  arguments: '<type[.field...]>',
  summary: 'Show the fields of a type',
  options: [
    ...connectionOptions,
    { flags: '-R, --recursive', summary: 'fields of fields too' },
    { flags: '--api-version <version>', summary: 'group/version that is meant' },
    { flags: '-o, --output <format>', summary: 'plaintext', default: 'plaintext' },
  ],
  examples: `Examples:
  stormo explain pods
  stormo explain deployment.spec.strategy --recursive`,
  run: (invocation) => withClient(invocation, (client) => explain(invocation, client)),
}

async function explain(invocation: Invocation, client: RestClient): Promise<void> {
  const format = option.text(invocation, 'output') ?? 'plaintext'
  if (!['plaintext', 'plaintext-openapiv2'].includes(format)) throw new UsageError(`unrecognized format: ${format}`)
  const resources = await discover(client)
  const apiVersion = option.text(invocation, 'apiVersion')
  const { resource, fields } = resourceAndFields(resources, invocation.args[0] ?? '', apiVersion)
  const key = resource.group ? `apis/${resource.group}/${resource.version}` : `api/${resource.version}`
  const index = await client.json<{ paths: Record<string, { serverRelativeURL: string }> }>({ path: '/openapi/v3' })
  const url = index.paths[key]?.serverRelativeURL
  if (!url) throw new UsageError(`couldn't find resource for "${resource.group}/${resource.version}, ${resource.kind}"`)
  const document = await client.json<OpenApiDocument>({ path: url })
  invocation.io.out(explainSchema(document, resource, fields, option.flag(invocation, 'recursive')))
}

/** `deployments.apps.spec` may begin with a type and its group: the longest that is known counts. */
function resourceAndFields(
  resources: readonly ApiResource[],
  text: string,
  apiVersion: string | undefined,
): { resource: ApiResource; fields: string[] } {
  const parts = text.split('.')
  const isVersion = (one: ApiResource): boolean => apiVersion === undefined || apiVersionOf(one) === apiVersion
  const known = resources.filter(isVersion)
  for (let length = parts.length; length > 1; length--) {
    const group = parts.slice(1, length).join('.')
    const found = known.find((one) => one.group === group && one.resource === parts[0])
    if (found) return { resource: found, fields: parts.slice(length) }
  }
  return { resource: findResource(known, parts[0] ?? ''), fields: parts.slice(1) }
}
