import { expect, it } from 'vitest'
import type { CommandDefinition } from '../command.ts'
import { placeOf } from './candidates.ts'

const root: CommandDefinition = {
  name: 'stormo',
  summary: '',
  options: [{ flags: '-n, --namespace <name>', summary: '' }],
  commands: [
    { name: 'get', summary: '', options: [{ flags: '-w, --watch', summary: '' }], arguments: '[type] [name...]' },
    { name: 'rollout', summary: '', commands: [{ name: 'status', aliases: ['st'], summary: '' }] },
  ],
}

it.each([
  [[], 'stormo', [], undefined],
  [['get'], 'get', [], undefined],
  [['get', '-w', 'pods'], 'get', ['pods'], undefined],
  [['-n', 'web', 'get', 'pods', 'web-0'], 'get', ['pods', 'web-0'], undefined],
  [['get', '-n'], 'get', [], '-n, --namespace <name>'],
  [['get', '--namespace=web', 'pods'], 'get', ['pods'], undefined],
  [['rollout', 'st'], 'status', [], undefined],
])('%j is at %s with %j', (before, command, words, valueOf) => {
  const place = placeOf(root, before)
  expect([place.command.name, place.words, place.valueOf?.flags]).toEqual([command, words, valueOf])
})

it('keeps the values of options under every name that they have', () => {
  expect(placeOf(root, ['-n', 'web', 'get']).typed.get('--namespace')).toBe('web')
})
