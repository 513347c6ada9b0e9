import type { Node, Taint } from '../../src/api/kinds.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { connectionOptions, withClient } from '../connection.ts'

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

export const taintCommand: CommandDefinition = {
  name: 'taint',
  arguments: '<nodes> [name] [taint...]',
  summary: 'Keep pods away from a node unless they tolerate it',
  options: [
    ...connectionOptions,
    { flags: '--overwrite', summary: 'replace the value of a taint that is there' },
    { flags: '--all', summary: 'all nodes' },
  ],
  examples: `Examples:
  stormo taint node demo-1 dedicated=db:NoSchedule
  stormo taint node demo-1 dedicated-`,
  run: (invocation) => withClient(invocation, (client) => taint(invocation, client)),
}

export interface TaintChanges {
  add: Taint[]
  /** Without an effect: those of every effect. */
  remove: { key: string; effect?: string }[]
}

/** `key=value:Effect`, `key:Effect`; with a dash at the end it goes, also as `key-`. Throws UsageError. */
export function parseTaints(texts: readonly string[]): TaintChanges {
  const changes: TaintChanges = { add: [], remove: [] }
  for (const text of texts) {
    const [, key = '', value = '', effect = '', dash = ''] = /^([^=:]+?)(?:=([^:]*))?(?::(\w+))?(-?)$/.exec(text) ?? []
    if (key === '' || (dash === '' && effect === '')) throw new UsageError(`invalid taint spec: ${text}`)
    if (effect !== '' && !effects.includes(effect))
      throw new UsageError(`invalid taint effect: ${effect}, unsupported taint effect`)
    if (dash) changes.remove.push({ key, ...(effect ? { effect } : {}) })
    else changes.add.push({ key, ...(value ? { value } : {}), effect })
  }
  return changes
}

/** The taints after the changes. Throws UsageError for what is there already or is not there. */
export function changeTaints(node: Node, { add, remove }: TaintChanges, overwrite: boolean): Taint[] {
  let taints = node.spec?.taints ?? []
  const isSame = (one: Taint, other: { key: string; effect?: string }): boolean =>
    one.key === other.key && (other.effect === undefined || one.effect === other.effect)
  for (const gone of remove) {
    if (!taints.some((one) => isSame(one, gone)))
      throw new UsageError(`taint "${gone.key}${gone.effect ? `:${gone.effect}` : ''}" not found`)
    taints = taints.filter((one) => !isSame(one, gone))
  }
  if (!overwrite && add.some((added) => taints.some((one) => isSame(one, added))))
    throw new UsageError(
      `node ${node.metadata.name} already has a taint(s) with same effect(s) and --overwrite is false`,
    )
  return [...add, ...taints.filter((one) => !add.some((added) => isSame(one, added)))]
}

async function taint(invocation: Invocation, client: RestClient): Promise<number> {
  const { args, io } = invocation
  const [type = '', ...words] = args
  const isTaint = (word: string): boolean => /[=:]|-$/.test(word)
  const changes = parseTaints(words.filter(isTaint))
  const typed = /^(?:nodes?|no)(?:\/(.+))?$/.exec(type)
  if (!typed) throw new UsageError(`invalid resource type ${type}, only node is supported`)
  const named = [...(typed[1] ? [typed[1]] : []), ...words.filter((word) => !isTaint(word))]
  const names = option.flag(invocation, 'all')
    ? (await client.json<{ items: Node[] }>({ path: '/api/v1/nodes' })).items.map(({ metadata }) => metadata.name ?? '')
    : named
  if (names.length === 0) throw new UsageError('one or more resources must be specified as <resource> <name>')
  if (changes.add.length + changes.remove.length === 0) throw new UsageError('at least one taint update is required')
  for (const name of names) {
    const path = `/api/v1/nodes/${encodeURIComponent(name)}`
    const node = await client.json<Node>({ path })
    const taints = changeTaints(node, changes, option.flag(invocation, 'overwrite'))
    const body = JSON.stringify({ spec: { taints } })
    await client.send({
      method: 'PATCH',
      path,
      body,
      contentType: 'application/merge-patch+json',
      query: { fieldManager: 'stormo' },
    })
    const done = changes.add.length === 0 ? 'untainted' : changes.remove.length === 0 ? 'tainted' : 'modified'
    io.out(`node/${name} ${done}\n`)
  }
  return 0
}
