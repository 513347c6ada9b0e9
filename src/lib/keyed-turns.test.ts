import { expect, test } from 'vitest'
import { createKeyedTurns } from './keyed-turns.ts'

test('of one key one after another, also after a failure; another key does not wait', async () => {
  const inTurn = createKeyedTurns()
  const said: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = inTurn('a', async () => {
    await gate.promise
    said.push('first')
    throw new Error('as told')
  })
  const second = inTurn('a', async () => void said.push('second'))
  await inTurn('b', async () => void said.push('other'))
  expect(said).toEqual(['other'])
  gate.resolve()
  await expect(first).rejects.toThrow('as told')
  await second
  expect(said).toEqual(['other', 'first', 'second'])
})
