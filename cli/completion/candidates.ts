import type { KubeObject } from '../../src/api/object.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { commandWord } from '../arguments.ts'
import type { CommandDefinition, Io, OptionDefinition } from '../command.ts'
import { loadRoot } from '../commands/root.ts'
import { withClient } from '../connection.ts'
import { discover, findResource, pathOf } from '../discovery.ts'

/** What the words before the last one say: the command, the options that may stand, and the words that are no options. */
export interface Place {
  command: CommandDefinition
  options: readonly OptionDefinition[]
  words: readonly string[]
  /** The option whose value the last word is. */
  valueOf: OptionDefinition | undefined
  /** Values of the options that were typed, by flag. */
  typed: ReadonlyMap<string, string>
}

const flagsOf = ({ flags }: OptionDefinition): string[] => flags.split(/[ ,]+/).filter((part) => part.startsWith('-'))
const takesValue = ({ flags }: OptionDefinition): boolean => flags.includes('<')

/** Follows the words down the tree of commands. */
export function placeOf(root: CommandDefinition, before: readonly string[]): Place {
  let command = root
  let options: readonly OptionDefinition[] = root.options ?? []
  const words: string[] = []
  const typed = new Map<string, string>()
  let valueOf: OptionDefinition | undefined
  for (const word of before) {
    if (valueOf) {
      for (const flag of flagsOf(valueOf)) typed.set(flag, word)
      valueOf = undefined
    } else if (word.startsWith('-')) {
      const [flag = '', value] = word.split(/=(.*)/s)
      const option = options.find((one) => flagsOf(one).includes(flag))
      if (option && takesValue(option) && value === undefined) valueOf = option
      if (option && value !== undefined) for (const name of flagsOf(option)) typed.set(name, value)
    } else {
      const child =
        words.length === 0
          ? command.commands?.find((one) => one.name === word || one.aliases?.includes(word))
          : undefined
      if (child) {
        command = child
        options = [...options, ...(child.options ?? [])]
      } else words.push(word)
    }
  }
  return { command, options, words, valueOf, typed }
}

/** Candidates for the last of the words; those that ask the cluster are empty when it does not answer. */
export async function completions(words: readonly string[], io: Io): Promise<string[]> {
  const before = words.slice(0, -1)
  const last = words.at(-1) ?? ''
  const root = await loadRoot((options) => commandWord({ options }, before))
  const place = placeOf(root, before)
  const found = last.startsWith('-') && !place.valueOf ? flagNames(place) : await wordsFor(place, last, io)
  return [...new Set(found)].filter((one) => one.startsWith(last)).toSorted()
}

const flagNames = ({ options }: Place): string[] => options.filter((one) => !one.hidden).flatMap(flagsOf)

async function wordsFor(place: Place, last: string, io: Io): Promise<string[]> {
  const { command, words, valueOf, typed } = place
  if (valueOf) {
    if (flagsOf(valueOf).includes('-n'))
      return await asking(io, typed, (client) => namesOf(client, 'namespaces', typed))
    if (flagsOf(valueOf).includes('-o'))
      return ['json', 'yaml', 'name', 'wide', 'jsonpath=', 'custom-columns=', 'go-template=']
    return []
  }
  if (command.commands && words.length === 0)
    return command.commands.filter((one) => !one.hidden).map(({ name }) => name)
  const wants = command.arguments ?? ''
  if (/node/.test(wants)) return await asking(io, typed, (client) => namesOf(client, 'nodes', typed))
  if (!/type|pod/.test(wants)) return []
  return await asking(io, typed, async (client) => {
    const [type, name] = last.split('/')
    if (name !== undefined) return (await namesOf(client, type!, typed)).map((one) => `${type}/${one}`)
    if (words.length > 0 && !words[0]!.includes('/')) return await namesOf(client, words[0]!, typed)
    const types = (await discover(client)).flatMap(({ resource, shortNames }) => [resource, ...shortNames])
    return /pod/.test(wants) ? [...(await namesOf(client, 'pods', typed)), ...types.map((one) => `${one}/`)] : types
  })
}

/** How long a shell may wait for its candidates, in seconds. */
const patienceSeconds = '3'

async function asking(
  io: Io,
  typed: ReadonlyMap<string, string>,
  ask: (client: RestClient) => Promise<string[]>,
): Promise<string[]> {
  const text = (flag: string): Record<string, string> =>
    typed.has(`--${flag}`) ? { [flag]: typed.get(`--${flag}`)! } : {}
  const options = { ...text('kubeconfig'), ...text('context'), ...text('server'), requestTimeout: patienceSeconds }
  try {
    return await withClient({ args: [], rest: [], options, io }, ask)
  } catch {
    return []
  }
}

async function namesOf(client: RestClient, type: string, typed: ReadonlyMap<string, string>): Promise<string[]> {
  const resource = findResource(await discover(client), type)
  const path = pathOf(resource, typed.get('--namespace') ?? client.connection.namespace)
  const { items } = await client.json<{ items: KubeObject[] }>({ path, query: { limit: '500' } })
  return items.map(({ metadata }) => metadata.name ?? '')
}
