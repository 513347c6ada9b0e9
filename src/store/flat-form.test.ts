import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../api/object.ts'
import { changesBetween } from './diff.ts'
import { DigestTable, hashText, sameDigest } from './digest.ts'
import { fieldPath, parsePath, selectorOf } from './field-path.ts'
import { flatten, flattenDifferences } from './flatten.ts'
import {
  isMoment,
  momentOfStamp,
  msOfStamp,
  nodeOfWriter,
  stampClock,
  stampOf,
  writerId,
  writerOfStamp,
} from './stamp.ts'
import type { FieldLayout } from './store.ts'
import { unflatten } from './unflatten.ts'

const ref = { group: 'apps', resource: 'things' }
const layout: FieldLayout = {
  listKeys(_ref, path) {
    const last = path.at(-1)
    return last === 'ports' ? ['port', 'protocol'] : last === 'items' ? ['name'] : last === 'tags' ? [] : undefined
  },
}

const name = fc.oneof(
  fc.constantFrom('a', 'b', 'app.kubernetes.io/x', '[x]', 'q"\\]', '__proto__', '#gen', 'a@b'),
  fc.string({ minLength: 1 }),
)
const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean())
const element = fc.dictionary(fc.constantFrom('image', 'size'), scalar, { maxKeys: 2 })
const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(scalar, { maxLength: 3 }),
    fc.dictionary(name, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    fc.record({
      items: fc
        .uniqueArray(fc.tuple(fc.constantFrom('x', 'y"', 'z]'), element), { selector: ([id]) => id })
        .map((list) => list.map(([id, rest]) => ({ name: id, ...rest }))),
    }),
    fc.record({ tags: fc.uniqueArray(fc.string(), { maxLength: 3 }) }),
  ),
}))
const object = fc
  .record({ spec: anyValue, status: anyValue })
  .map(({ spec, status }) => ({ apiVersion: 'v1', kind: 'T', metadata: { name: 'n' }, spec, status }) as KubeObject)

const leavesOf = (fields: Map<string, unknown>, stamp: string) =>
  new Map([...fields].map(([path, value]) => [path, { stamp, value }]))

describe('flat form', () => {
  test('an object is the same after there and back', () => {
    fc.assert(
      fc.property(object, (given) => {
        const { metadata: _, ...rest } = given
        const back = unflatten(leavesOf(flatten(ref, given, layout), 's'))
        expect(back).toEqual(rest)
      }),
    )
  })

  test('the changes between two states, written over the first, make the second', () => {
    fc.assert(
      fc.property(object, object, (before, after) => {
        const leaves = new Map<string, { stamp: string; value: unknown }>(leavesOf(flatten(ref, before, layout), '1'))
        const changes = changesBetween(...flattenDifferences(ref, before, after, layout))
        for (const [path, value] of changes) leaves.set(path, { stamp: '2', value })
        const { metadata: _, ...rest } = after
        expect(unflatten(leaves)).toEqual(rest)
      }),
    )
  })

  test('every path is read as it was written', () => {
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), (names) => {
        const path = names.reduce((parent, one) => fieldPath(parent, one), '')
        expect(parsePath(path)).toEqual(names.map((one) => ({ type: 'field', name: one })))
      }),
    )
    expect(
      parsePath(
        `spec.ports${selectorOf([
          ['port', 80],
          ['protocol', 'T]"C,P='],
        ])}.name`,
      ),
    ).toMatchObject([
      { name: 'spec' },
      { name: 'ports' },
      {
        keys: [
          ['port', 80],
          ['protocol', 'T]"C,P='],
        ],
      },
      { name: 'name' },
    ])
  })

  test('text that is no path is told from one, and never throws', () => {
    for (const text of ['', '.', 'a..b', 'a[', 'a[x', 'a[x=]', 'a["x]', 'a]b[']) expect(parsePath(text)).not.toEqual([])
    fc.assert(fc.property(fc.string(), (text) => void parsePath(text)))
  })
})

describe('stamps', () => {
  test('later moments are greater as text; writers are found again', () => {
    const writer = writerId(65_535, 2 ** 24 - 1)
    const stamp = stampOf('0mwpsb3s3000', writer)
    expect(stamp).toHaveLength(20)
    expect(writerOfStamp(stamp)).toBe(writer)
    expect(nodeOfWriter(writer)).toBe(65_535)
    expect(isMoment(momentOfStamp(stamp))).toBe(true)
  })

  test('what is issued exceeds everything issued or merged before, whatever the wall clock does', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ ms: fc.nat(5_000), merge: fc.boolean() }), { maxLength: 200 }), (steps) => {
        let nowMs = 1_000_000
        const clock = { nowMs: () => nowMs, monotonicMs: () => 0, after: () => ({ cancel() {} }) }
        const other = stampClock({ ...clock, nowMs: () => nowMs + 700 }, 1_000)
        const mine = stampClock(clock, 1_000)
        let highest = ''
        for (const { ms, merge } of steps) {
          nowMs = 1_000_000 + ms
          if (merge) {
            const foreign = other.issue()
            mine.merge(foreign)
            if (foreign > highest) highest = foreign
          }
          const issued = mine.issue()
          expect(issued > highest).toBe(true)
          highest = issued
        }
      }),
    )
  })

  test('a stamp from too far in the future is not plausible', () => {
    const clock = stampClock({ nowMs: () => 1_000_000, monotonicMs: () => 0, after: () => ({ cancel() {} }) }, 1_000)
    const moment = (ms: number) => ms.toString(36).padStart(9, '0') + '000'
    expect(clock.plausible(moment(1_001_000))).toBe(true)
    expect(clock.plausible(moment(1_001_001))).toBe(false)
    expect(msOfStamp(moment(1_001_001))).toBe(1_001_001)
  })
})

test('digest tables are equal exactly when they hold the same, and differ in the buckets where they do not', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.nat(3)), { maxLength: 60 }), (steps) => {
      const held = new Map<string, number>()
      const table = new DigestTable()
      for (const [id, state] of steps) {
        const uid = `uid-${id}`
        table.set(uid, state === 0 ? undefined : hashText(`${uid}${state}`))
        if (state === 0) held.delete(uid)
        else held.set(uid, state)
      }
      const fresh = new DigestTable()
      for (const [uid, state] of held) fresh.set(uid, hashText(`${uid}${state}`))
      expect(sameDigest(table.root(), fresh.root())).toBe(true)
      expect(table.differing(fresh.buckets())).toEqual([])
      fresh.set('another', hashText('another'))
      expect(table.differing(fresh.buckets())).toHaveLength(1)
    }),
  )
})
