import { expect, test } from 'vitest'
import { createLogger } from './log.ts'

test('what was thrown is told with its causes, as is what is a text already', () => {
  const lines: string[] = []
  const logger = createLogger('info', 'n1', { write: (line) => void lines.push(line) })
  logger.warn({ error: new Error('cannot be bound', { cause: new Error('no such container') }) }, 'trying again')
  logger.warn({ error: 'a text' }, 'trying again')
  expect(lines.map((line) => JSON.parse(line).error)).toEqual(['cannot be bound: no such container', 'a text'])
})
