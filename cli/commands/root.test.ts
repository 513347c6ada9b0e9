import { describe, expect, it } from 'vitest'
import { buildProgram } from '../build-program.ts'
import type { CommandDefinition, Io } from '../command.ts'
import { commandGroups, loadRoot } from './root.ts'

const root = await loadRoot(() => undefined)

function walk(command: CommandDefinition, path: string[] = []): { path: string[]; command: CommandDefinition }[] {
  const here = [...path, command.name]
  return [{ path: here, command }, ...(command.commands ?? []).flatMap((child) => walk(child, here))]
}

const commands = walk(root)

const namesOf = (flags: string): string[] => flags.split(/[ ,|]+/).filter((part) => part.startsWith('-'))

function silentIo(): { io: Io; said: string[] } {
  const said: string[] = []
  const io: Io = {
    out: (text) => void said.push(text),
    err: (text) => void said.push(text),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: {},
    signal: new AbortController().signal,
  }
  return { io, said }
}

describe('the command tree', () => {
  it('loads every command under the name that it is asked for by', async () => {
    for (const { name, load } of Object.values(commandGroups).flat()) expect((await load()).name).toBe(name)
  })

  it('loads only the command that is asked for', async () => {
    const { commands: chosen } = await loadRoot(() => 'scale')
    expect(chosen?.map(({ name }) => name)).toEqual(['scale'])
  })

  it.each(commands.map(({ path, command }) => [path.join(' '), command] as const))(
    '%s is well defined',
    (_, command) => {
      const flags = (command.options ?? []).flatMap(({ flags: text }) => namesOf(text))
      expect(flags.filter((flag, index) => flags.indexOf(flag) !== index)).toEqual([])
      const names = (command.commands ?? []).flatMap((child) => [child.name, ...(child.aliases ?? [])])
      expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
      expect(command.summary).not.toBe('')
      expect(command.run !== undefined || (command.commands?.length ?? 0) > 0).toBe(true)
    },
  )

  it.each(commands.filter(({ command }) => !command.passThrough).map(({ path }) => [path.slice(1)]))(
    'help of %j renders',
    async (path) => {
      const { io, said } = silentIo()
      const own = { ...root, commands: root.commands!.filter(({ name }) => name === path[0]) }
      const program = buildProgram(path.length > 0 ? own : root, { io, rest: [], finish: () => {} })
      await expect(program.parseAsync([...path, '--help'], { from: 'user' })).rejects.toMatchObject({ exitCode: 0 })
      expect(said.join('')).toContain(`Usage: stormo`)
    },
  )

  it('takes what was typed over the defaults of commands above', async () => {
    const seen: unknown[] = []
    const run = async (invocation: { options: unknown }): Promise<void> => void seen.push(invocation.options)
    const options = [{ flags: '--how <how>', summary: '', default: 'none' }]
    const child: CommandDefinition = { name: 'child', summary: '', options, run }
    const tree: CommandDefinition = {
      name: 'root',
      summary: '',
      commands: [{ name: 'parent', summary: '', options, commands: [child], run }],
    }
    const parse = (argv: string[]) =>
      buildProgram(tree, { io: silentIo().io, rest: [], finish: () => {} }).parseAsync(argv, { from: 'user' })
    await parse(['parent', 'child', '--how', 'client'])
    await parse(['parent', '--how', 'client', 'child'])
    await parse(['parent', 'child'])
    expect(seen).toEqual([{ how: 'client' }, { how: 'client' }, { how: 'none' }])
  })

  it('takes global options before and behind every word', async () => {
    const seen: unknown[] = []
    const status: CommandDefinition = {
      name: 'status',
      summary: '',
      run: async ({ options }) => void seen.push(options['namespace']),
    }
    const tree: CommandDefinition = {
      name: 'stormo',
      summary: '',
      options: [{ flags: '-n, --namespace <name>', summary: '' }],
      commands: [{ name: 'rollout', summary: '', commands: [status] }],
    }
    for (const argv of [
      ['-n', 'a', 'rollout', 'status'],
      ['rollout', '--namespace=b', 'status'],
    ])
      // prettier-ignore
      await buildProgram(tree, { io: silentIo().io, rest: [], finish: () => {} }).parseAsync(argv, { from: 'user' })
    expect(seen).toEqual(['a', 'b'])
  })

  it('suggests what was meant', async () => {
    const { io, said } = silentIo()
    const parse = (argv: string[]) =>
      buildProgram(root, { io, rest: [], finish: () => {} }).parseAsync(argv, { from: 'user' })
    await expect(parse(['gett'])).rejects.toMatchObject({ exitCode: 1 })
    await expect(parse(['get', '--selctor=a'])).rejects.toMatchObject({ exitCode: 1 })
    expect(said.join('')).toContain('Did you mean get?')
    expect(said.join('')).toContain('Did you mean --selector?')
  })
})
