import type { Node, Taint } from '../../src/api/kinds.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { patchObjects, patchOptions } from '../patch-objects.ts'

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

export const taintCommand: CommandDefinition = {
  name: 'taint',
  arguments: '<nodes> [name] [taint...]',
  summary: 'Keep pods away from a node unless they tolerate it',
  options: [...patchOptions, { flags: '--overwrite', summary: 'replace the value of a taint that is there' }],
  examples: `Examples:
  stormo taint node demo-1 dedicated=db:NoSchedule
  stormo taint node demo-1 dedicated-`,
  run: taint,
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

function taint(invocation: Invocation): Promise<number> {
  const [type = '', ...words] = invocation.args
  const isTaint = (word: string): boolean => /[=:]|-$/.test(word)
  const typed = /^(?:nodes?|no)(?:\/(.+))?$/.exec(type)
  if (!typed) throw new UsageError(`invalid resource type ${type}, only node types are supported`)
  const changes = parseTaints(words.filter(isTaint))
  if (changes.add.length + changes.remove.length === 0) throw new UsageError('at least one taint update is required')
  const args = [type, ...words.filter((word) => !isTaint(word))]
  return patchObjects(
    { ...invocation, args },
    {
      patchOf: (object) => ({
        type: 'merge',
        body: { spec: { taints: changeTaints(object as Node, changes, option.flag(invocation, 'overwrite')) } },
      }),
      said: () => (changes.add.length === 0 ? 'untainted' : changes.remove.length === 0 ? 'tainted' : 'modified'),
    },
  )
}
