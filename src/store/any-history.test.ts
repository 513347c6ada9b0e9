import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestText } from './digest.ts'
import type { Change } from './replica.ts'
import { change, create, key, rig, shown, testClock, type Rig, type Web } from './store-rig.ts'

describe('any history', () => {
  const step = fc.record({
    node: fc.nat(2),
    act: fc.constantFrom(
      'replicas',
      'image',
      'label',
      'unlabel',
      'pop',
      'push',
      'status',
      'delete',
      'create',
      'deliver',
    ),
    value: fc.nat(5),
  })

  test('replicas that have the same writes are equal, however these arrived', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.infiniteStream(fc.nat(1000)), async (steps, chance) => {
        const clock = testClock()
        const rigs = await Promise.all([1, 2, 3].map((number) => rig(number, clock)))
        const sent: Change[] = []
        const gather = () => rigs.forEach(({ out }) => sent.push(...out.splice(0)))
        for (const { node, act, value } of steps) {
          clock.advance(1)
          const at = rigs[node]!
          await perform(at, act, value)
          gather()
          const picked = sent.filter(() => (chance.next().value ?? 0) < 300)
          if (act === 'deliver') await at.store.merge(picked.toSorted(() => ((chance.next().value ?? 0) % 2 ? 1 : -1)))
        }
        for (let round = 0; round < 6; round += 1) {
          gather()
          for (const { store } of rigs) {
            await store.merge([...sent].toSorted(() => ((chance.next().value ?? 0) % 2 ? 1 : -1)))
          }
        }
        const [first, ...rest] = rigs
        for (const other of rest) {
          expect(shown(other)).toEqual(shown(first!))
          expect(digestText(other.store.digests.root())).toBe(digestText(first!.store.digests.root()))
        }
      }),
      { numRuns: 60 },
    )
  })

  async function perform(at: Rig, act: string, value: number): Promise<void> {
    const object = at.store.get(key) as Web | undefined
    if (!object) {
      if (act === 'create') await create(at)
      return
    }
    const before = object.metadata.generation ?? 0
    if (act === 'replicas') await change(at, ({ spec }) => (spec.replicas = value))
    if (act === 'image') {
      await change(at, ({ spec }) => {
        const container = spec.template.spec.containers[value % 2]
        if (container) container.image = `nginx:${value}`
      })
    }
    if (act === 'label')
      await change(at, ({ metadata }) => (metadata.labels = { ...metadata.labels, [`k${value}`]: 'v' }))
    if (act === 'unlabel') await change(at, ({ metadata }) => delete metadata.labels?.[`k${value}`])
    if (act === 'pop') await change(at, ({ spec }) => spec.template.spec.containers.shift())
    if (act === 'push')
      await change(at, ({ spec }) => spec.template.spec.containers.unshift({ name: `c${value}` })).catch(() => 0)
    if (act === 'status') await change(at, (web) => (web.status = { replicas: value }))
    if (act === 'delete') await at.store.write({ op: 'delete', key, uid: object.metadata.uid ?? '', decided: false })
    if (act !== 'delete') expect(at.store.get(key)?.metadata.generation).toBeGreaterThanOrEqual(before)
  }
})
