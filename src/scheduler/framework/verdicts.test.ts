import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeNode } from '../testing/objects.ts'
import { refuse } from './framework.ts'
import { createNodeInfo } from './node-info.ts'
import { bothVerdicts, createVerdicts, type Verdict } from './verdicts.ts'

const nodes = Array.from({ length: 6 }, (_, index) => createNodeInfo(makeNode(`n${index}`, {})))
const refusals = [refuse('Insufficient cpu'), refuse('taken'), refuse('unschedulable', true)]
const verdict = fc.record({
  node: fc.constantFrom(...nodes),
  plugin: fc.constant('Plugin'),
  refusal: fc.constantFrom(...refusals),
})
const step = fc.oneof(verdict, fc.constantFrom(...nodes))

test('the tally is what counting all of them would give, whatever came and went', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const counted = createVerdicts()
      const plain = new Map<string, Verdict>()
      for (const one of steps) {
        if ('refusal' in one) {
          counted.add(one)
          plain.set(one.node.name, one)
        } else expect(counted.delete(one)).toBe(plain.delete(one.name))
      }
      expect(counted.size).toBe(plain.size)
      for (const node of nodes) expect(counted.of(node)).toBe(plain.get(node.name))
      const tally = new Map([...counted.tally()].map(([refusal, count]) => [refusal, count]))
      for (const refusal of refusals)
        expect(tally.get(refusal) ?? 0).toBe([...plain.values()].filter((one) => one.refusal === refusal).length)
    }),
  )
})

test('two of them together are about the nodes of both', () => {
  const [one, two] = nodes
  const both = bothVerdicts(
    createVerdicts([{ node: one!, plugin: 'A', refusal: refusals[0]! }]),
    createVerdicts([{ node: two!, plugin: 'B', refusal: refusals[0]! }]),
  )
  expect(both.size).toBe(2)
  expect([both.of(one!)?.plugin, both.of(two!)?.plugin]).toEqual(['A', 'B'])
  expect([...both.tally()].map(([, count, plugin]) => [count, plugin])).toEqual([
    [1, 'A'],
    [1, 'B'],
  ])
})
