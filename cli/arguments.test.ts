import { describe, expect, it } from 'vitest'
import { commandWord, prepareArguments } from './arguments.ts'
import type { CommandDefinition } from './command.ts'

const root: CommandDefinition = {
  name: 'root',
  summary: '',
  options: [{ flags: '-n, --namespace <name>', summary: '' }],
  commands: [
    {
      name: 'get',
      summary: '',
      options: [
        { flags: '-o, --output <format>', summary: '' },
        { flags: '-w, --watch', summary: '' },
        { flags: '--no-wait', summary: '' },
      ],
    },
    { name: 'exec', summary: '', takesRest: true, options: [{ flags: '-c, --container <name>', summary: '' }] },
    { name: 'through', summary: '', passThrough: true },
  ],
}

const prepare = (text: string) => prepareArguments(root, text.split(' '))

describe('prepareArguments', () => {
  it.each([
    ['get pods -o=yaml', 'get pods -o yaml'],
    ['get pods -oyaml', 'get pods -oyaml'],
    ['get pods --output=yaml', 'get pods --output=yaml'],
    ['get --watch=true pods', 'get --watch pods'],
    ['get --watch=false pods', 'get pods'],
    ['get --wait=false pods', 'get --no-wait pods'],
    ['get --wait=true pods', 'get pods'],
    ['get --wait pods', 'get pods'],
    ['get --unknown=true', 'get --unknown=true'],
    ['-n get get --watch=true', '-n get get --watch'],
    ['get pods -- -x', 'get pods -- -x'],
  ])('%s is read as %s', (typed, read) => {
    expect(prepare(typed)).toEqual({ argv: read.split(' '), rest: [] })
  })

  it('cuts what is for another program off, untouched', () => {
    expect(prepare('exec web -c a -- ls --watch=true -- -l')).toEqual({
      argv: ['exec', 'web', '-c', 'a'],
      rest: ['ls', '--watch=true', '--', '-l'],
    })
  })

  it('leaves all options of a passed-through command alone', () => {
    expect(prepare('through get -o=yaml --watch=false')).toEqual({
      argv: ['through', 'get', '-o=yaml', '--watch=false'],
      rest: [],
    })
  })
})

describe('commandWord', () => {
  it('steps over options of the root and their values', () => {
    expect(commandWord(root, ['-n', 'get', 'exec'])).toBe('exec')
    expect(commandWord(root, ['--namespace=x', 'exec'])).toBe('exec')
    expect(commandWord(root, ['--help'])).toBeUndefined()
    expect(commandWord(root, ['--', 'exec'])).toBeUndefined()
  })
})
