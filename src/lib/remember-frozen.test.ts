import { expect, test } from 'vitest'
import { rememberFrozen } from './remember-frozen.ts'

function counted(maxSize: number) {
  let made = 0
  const of = rememberFrozen(
    ({ name }: { name: string }) => {
      made++
      return name.toUpperCase()
    },
    (text) => text.length,
    maxSize,
  )
  return { of, made: () => made }
}

test('a frozen object is looked at once, by identity', () => {
  const { of, made } = counted(100)
  const one = Object.freeze({ name: 'one' })
  expect([of(one), of(one), of(Object.freeze({ name: 'one' }))]).toEqual(['ONE', 'ONE', 'ONE'])
  expect(made()).toBe(2)
})

test('what may still change is never remembered', () => {
  const { of } = counted(100)
  const one = { name: 'one' }
  of(one)
  one.name = 'two'
  expect(of(one)).toBe('TWO')
})

test('what is asked for stays, what is not is dropped when there is no more room', () => {
  const { of, made } = counted(4)
  const objects = ['aa', 'bb', 'cc', 'dd'].map((name) => Object.freeze({ name }))
  const [used] = objects
  for (const object of objects) {
    of(object)
    of(used!)
  }
  expect(made()).toBe(4)
  const unused = Object.freeze({ name: 'zz' })
  of(unused)
  for (let n = 0; n < 6; n++) of(Object.freeze({ name: `n${n}` }))
  const before = made()
  of(unused)
  expect(made()).toBe(before + 1)
})
