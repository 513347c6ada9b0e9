import { expect, test } from 'vitest'
import { paint, paletteFor, plain } from './printers/colour.ts'
import { sortObjects } from './sort-objects.ts'
import type { Io } from './command.ts'

const sorted = (values: unknown[]): unknown[] => sortObjects(values, '{.v}', (v) => ({ v }))

test('sorting goes by number, quantity or text, and what has no value comes first', () => {
  expect(sorted([10, 9])).toEqual([9, 10])
  expect(sorted(['10Mi', '9Mi', '1Gi'])).toEqual(['9Mi', '10Mi', '1Gi'])
  expect(sorted(['b', null, 'a'])).toEqual([null, 'a', 'b'])
  expect(sortObjects([{ n: 1 }, {}], '.n', (one) => one)).toEqual([{}, { n: 1 }])
})

test('colours are for terminals only, unless they are asked for or declined', () => {
  const io = (env: NodeJS.ProcessEnv): Io => ({ env }) as Io
  expect(paletteFor(io({}), { isTTY: false }, undefined)).toBe(plain)
  expect(paletteFor(io({ NO_COLOR: '1' }), { isTTY: true }, undefined)).toBe(plain)
  expect(paletteFor(io({}), { isTTY: true }, 'never')).toBe(plain)
  const palette = paletteFor(io({ NO_COLOR: '1' }), { isTTY: false }, 'always')
  expect(paint('NAME   STATUS\nweb    Running\n', palette)).toContain('\u001b[32mRunning\u001b[0m')
  expect(paint('NAME   STATUS\nweb    Running\n', plain)).toBe('NAME   STATUS\nweb    Running\n')
})
