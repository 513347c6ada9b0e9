import { expect, test } from 'vitest'
import type { Explanation } from '../../src/scheduler/framework/explain.ts'
import { printExplanation } from './schedule.ts'

const explanation: Explanation = {
  scheduler: 'default-scheduler',
  refused: undefined,
  filters: ['TaintToleration', 'NodeResourcesFit'],
  scores: [{ name: 'ImageLocality', weight: 2 }],
  nodes: [
    { name: 'a', refusals: {}, fits: true, scores: { ImageLocality: 33.333 }, total: 66.666 },
    { name: 'b', refusals: { NodeResourcesFit: ['Insufficient cpu'] }, fits: false, scores: {}, total: 0 },
  ],
  chosen: 'a',
  message: undefined,
}

test('who refuses, why, and how the others score', () => {
  expect(printExplanation(explanation)).toBe(`Filters:
NODE   FITS   TAINTTOLERATION   NODERESOURCESFIT
a      yes    ok                ok
b      no     ok                refuses

Reasons:
NODE   FILTER             REASON
b      NodeResourcesFit   Insufficient cpu

Scores (0 to 100, before they are weighed):
NODE   IMAGELOCALITY x2   TOTAL
a      33.3               66.7

The scheduler takes a.
`)
})

test('a pod that is refused as such', () => {
  const refused = { plugin: 'VolumeBinding', reasons: ['persistentvolumeclaim "data" not found'] }
  expect(printExplanation({ ...explanation, refused })).toBe(
    'Refused before any node was looked at, by VolumeBinding: persistentvolumeclaim "data" not found\n',
  )
})
