import type { Namespace } from '../../src/api/kinds.ts'
import { childrenOf, descendantsOf, parentLabel, parentOf } from '../../src/api/namespace-tree.ts'
import { isStatus } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, option, UsageError } from '../command.ts'
import { connectionOptions, withClient } from '../connection.ts'

const collection = '/api/v1/namespaces'
const pathOf = (name: string): string => `${collection}/${encodeURIComponent(name)}`

async function listNamespaces(client: RestClient): Promise<Namespace[]> {
  return (await client.json<{ items: Namespace[] }>({ path: collection })).items
}

const createCommand: CommandDefinition = {
  name: 'create',
  arguments: '<name>',
  summary: 'Make a namespace, with --parent inside another one',
  options: [
    ...connectionOptions,
    { flags: '--parent <namespace>', summary: 'inherit its Roles, NetworkPolicies, LimitRanges and quota' },
  ],
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const [name = ''] = invocation.args
      const parent = option.text(invocation, 'parent')
      const labels = parent ? { labels: { [parentLabel]: parent } } : {}
      const body: Namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, ...labels } }
      await client.json({ method: 'POST', path: collection, body, query: { fieldManager: 'stormo' } })
      invocation.io.out(`namespace/${name} created${parent ? ` in ${parent}` : ''}\n`)
    }),
}

const moveCommand: CommandDefinition = {
  name: 'move',
  arguments: '<name>',
  summary: 'Give a namespace another parent, or none',
  options: [
    ...connectionOptions,
    { flags: '--parent <namespace>', summary: 'the new parent' },
    { flags: '--root', summary: 'no parent from now on' },
  ],
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const [name = ''] = invocation.args
      const parent = option.text(invocation, 'parent')
      if ((parent === undefined) !== option.flag(invocation, 'root'))
        throw new UsageError('say where to: either --parent <namespace> or --root')
      await client.send({
        method: 'PATCH',
        path: pathOf(name),
        body: JSON.stringify({ metadata: { labels: { [parentLabel]: parent ?? null } } }),
        contentType: 'application/merge-patch+json',
        query: { fieldManager: 'stormo' },
      })
      invocation.io.out(`namespace/${name} moved${parent ? ` to ${parent}` : ' to the root'}\n`)
    }),
}

const treeCommand: CommandDefinition = {
  name: 'tree',
  arguments: '[name]',
  summary: 'Show which namespaces lie in which',
  options: connectionOptions,
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const [root] = invocation.args
      const namespaces = await listNamespaces(client)
      if (root !== undefined && !namespaces.some(({ metadata }) => metadata.name === root))
        throw new UsageError(`namespaces "${root}" not found`)
      invocation.io.out(drawTree(namespaces, root))
    }),
}

/** The forest of namespaces as text, or the tree below one. Pure. */
export function drawTree(namespaces: readonly Namespace[], root?: string): string {
  const names = new Set(namespaces.map(({ metadata }) => metadata.name))
  const roots =
    root === undefined
      ? namespaces.filter((one) => !names.has(parentOf(one) ?? '')).map(({ metadata }) => metadata.name ?? '')
      : [root]
  const drawn = new Set<string>()
  const draw = (name: string, first: string, rest: string): string => {
    drawn.add(name)
    const namespace = namespaces.find(({ metadata }) => metadata.name === name)
    const children = childrenOf(name, namespaces).filter(({ metadata }) => !drawn.has(metadata.name ?? ''))
    const below = children.map(({ metadata }, at) => {
      const last = at === children.length - 1
      return draw(metadata.name ?? '', `${rest}${last ? '└── ' : '├── '}`, `${rest}${last ? '    ' : '│   '}`)
    })
    return `${first}${name}${noteOf(namespace, names)}\n${below.join('')}`
  }
  const forest = roots.toSorted().map((name) => draw(name, '', ''))
  // Only two sides of a partition can close a cycle: it hangs on no root, and must be seen to be mended.
  const cyclic = root === undefined ? [...names].filter((name) => name && !drawn.has(name)).toSorted() : []
  const rest = cyclic.flatMap((name) => (name && !drawn.has(name) ? [draw(name, '(cycle) ', '        ')] : []))
  return [...forest, ...rest].join('')
}

function noteOf(namespace: Namespace | undefined, names: ReadonlySet<string | undefined>): string {
  const notes: string[] = []
  const parent = parentOf(namespace)
  if (parent && !names.has(parent)) notes.push(`parent ${parent} is missing`)
  if (namespace?.metadata.deletionTimestamp) notes.push('Terminating')
  return notes.length > 0 ? ` (${notes.join(', ')})` : ''
}

const deleteCommand: CommandDefinition = {
  name: 'delete',
  arguments: '<name>',
  summary: 'Delete a namespace and everything in it',
  options: [...connectionOptions, { flags: '--cascade', summary: 'with all namespaces below it, the lowest first' }],
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const [name = ''] = invocation.args
      const below = option.flag(invocation, 'cascade')
        ? descendantsOf(name, await listNamespaces(client)).toReversed()
        : []
      for (const one of [...below, name]) {
        try {
          await client.send({ method: 'DELETE', path: pathOf(one) })
        } catch (error) {
          if (one === name || !isStatus(error, 'NotFound')) throw error
        }
        invocation.io.out(`namespace/${one} deleted\n`)
      }
    }),
}

export const namespaceCommand: CommandDefinition = {
  name: 'namespace',
  aliases: ['ns'],
  summary: 'Namespaces inside namespaces',
  examples: `Examples:
  stormo namespace create team-a --parent org
  stormo namespace tree
  stormo namespace delete org --cascade`,
  commands: [createCommand, moveCommand, treeCommand, deleteCommand],
}
