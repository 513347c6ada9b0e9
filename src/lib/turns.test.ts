import { expect, test } from 'vitest'
import { createTurns } from './turns.ts'

test('one step a turn, in the order of asking, and what is short runs in between', async () => {
  const seen: string[] = []
  const turn = createTurns(async () => {
    await new Promise((resolve) => setImmediate(resolve))
    seen.push('|')
  })
  const work = async (name: string) => {
    for (let step = 0; step < 2; step++) {
      await turn()
      seen.push(`${name}${step}`)
    }
  }
  await Promise.all([work('a'), work('b')])
  expect(seen.join('')).toBe('|a0|b0|a1|b1')
})
