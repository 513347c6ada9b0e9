import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { root, sourceFiles } from './source-files.ts'

const specs = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('SPEC.md'))
  .map((path) => join('src', path))
const tests = sourceFiles('src').filter(({ path }) => path.endsWith('.test.ts'))

interface Invariant {
  readonly number: string
  readonly guard: string
}

/** The rows of a SPEC's table of invariants: `| S1 | … | guarded by |`. */
const invariantsOf = (text: string): Invariant[] =>
  text.split('\n').flatMap((line) => {
    const cells = line.split('|').map((cell) => cell.trim())
    const [, number = '', , guard = ''] = cells
    return /^[A-Z]\d+$/.test(number) ? [{ number, guard }] : []
  })

/** What is missing of the tests that an invariant names: files in backticks, titles (or their beginnings) in quotes. */
function missing({ guard }: Invariant, folder: string): string[] {
  const files = [...guard.matchAll(/`([^`]+\.test\.ts)`/g)].map(([, name = '']) => name)
  const titles = [...guard.matchAll(/"([^"]+)"/g)].map(([, title = '']) => title.replace(/…$/, ''))
  const lostFiles = files.filter((name) => !existsSync(join(root, folder, name)))
  const lostTitles = titles.filter((title) => !tests.some(({ text }) => text.includes(title)))
  return [...lostFiles, ...lostTitles]
}

test('there are specifications', () => {
  expect(specs.length).toBeGreaterThan(3)
})

test.for(specs)('every invariant of %s names tests that exist', (path) => {
  const invariants = invariantsOf(readFileSync(join(root, path), 'utf8'))
  expect(invariants.length).toBeGreaterThan(0)
  const numbers = invariants.map(({ number }) => number)
  expect(new Set(numbers).size).toBe(numbers.length)
  expect(invariants.filter(({ guard }) => guard === '').map(({ number }) => number)).toEqual([])
  const lost = invariants.flatMap((one) => missing(one, dirname(path)).map((what) => `${one.number}: ${what}`))
  expect(lost).toEqual([])
})
