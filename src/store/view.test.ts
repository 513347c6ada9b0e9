import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DecidedObject, FieldPath } from './decided.ts'
import { change, create, exchange, key, rig, type Rig, shown, type Web } from './store-rig.ts'
import type { Leaf } from './unflatten.ts'

const text = fc.constantFrom('a', 'b', 'c')

/** Writes of all parts of an object, and of several at once. */
const mutation: fc.Arbitrary<(object: Web) => void> = fc.oneof(
  fc.tuple(text, fc.option(text)).map(([name, value]) => (object: Web) => {
    const { [name]: _, ...labels } = object.metadata.labels ?? {}
    object.metadata.labels = value === null ? labels : { ...labels, [name]: value }
  }),
  fc.subarray(['x.io/one', 'x.io/two']).map((finalizers) => (object: Web) => {
    object.metadata.finalizers = finalizers
  }),
  fc.nat(3).map((replicas) => (object: Web) => {
    object.spec.replicas = replicas
    object.status = { ...object.status, replicas }
  }),
  fc.boolean().map((paused) => (object: Web) => {
    if (paused) object.spec.paused = true
    else delete object.spec.paused
  }),
  fc.tuple(text, text).map(([name, image]) => (object: Web) => {
    const { containers } = object.spec.template.spec
    const others = containers.filter((one) => one.name !== name)
    object.spec.template.spec.containers = others.length < containers.length ? others : [...others, { name, image }]
  }),
  fc.option(fc.tuple(text, text)).map((condition) => (object: Web) => {
    if (condition === null) delete object.status
    else object.status = { ...object.status, conditions: [{ type: condition[0], status: condition[1] }] }
  }),
)

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ by: fc.constantFrom(0, 1), mutate: mutation, isRead: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant('exchange' as const) },
  { weight: 2, arbitrary: fc.record({ path: fc.constantFrom('spec.replicas', 'metadata.labels.a'), value: text }) },
)

test('an object that is made of the one before and of what changed is the one that is made of everything', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const rigs = [await rig(1), await rig(2)] as const
      await create(rigs[0])
      await exchange(...rigs)
      const uid = rigs[0].store.get(key)!.metadata.uid!
      let decided: DecidedObject | undefined
      for (const one of steps) {
        if (one === 'exchange') await exchange(...rigs)
        else if ('path' in one) {
          const index = (decided?.index ?? 0) + 1
          const fields = new Map<FieldPath, Leaf>(decided?.fields)
          const stamp = `${(Date.UTC(2027, 1, 1) + index).toString(16).padStart(12, '0')}`
          fields.set(one.path, { stamp, value: one.value })
          decided = { key, uid, index, fields, created: false, deleted: false } as DecidedObject
          for (const { store } of rigs) store.applyDecided([decided])
        } else if (one.isRead) await change(rigs[one.by]!, one.mutate)
        else await Promise.all([change(rigs[one.by]!, one.mutate), change(rigs[one.by]!, () => undefined)])
        for (const each of rigs) expect(shown(each)).toEqual(await fromScratch(each, decided))
      }
    }),
    { numRuns: 60 },
  )
})

/** As a store shows it that knows nothing of before. */
async function fromScratch({ clock, disk }: Rig, decided: DecidedObject | undefined): Promise<Web> {
  const fresh = await rig(9, clock, disk)
  if (decided) fresh.store.applyDecided([decided])
  return shown(fresh)
}
