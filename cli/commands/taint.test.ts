import { expect, test } from 'vitest'
import { changeTaints, parseTaints } from './taint.ts'

const node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n' },
  spec: { taints: [{ key: 'a', value: '1', effect: 'NoSchedule' }] },
}

test('a taint has a key, perhaps a value, and an effect; a dash takes it away', () => {
  expect(parseTaints(['a=b:NoSchedule', 'c:NoExecute', 'd-', 'e:NoSchedule-'])).toEqual({
    add: [
      { key: 'a', value: 'b', effect: 'NoSchedule' },
      { key: 'c', effect: 'NoExecute' },
    ],
    remove: [{ key: 'd' }, { key: 'e', effect: 'NoSchedule' }],
  })
  expect(() => parseTaints(['a=b'])).toThrow('invalid taint spec')
  expect(() => parseTaints(['a=b:Never'])).toThrow('invalid taint effect')
})

test('a taint that is there is replaced only with --overwrite, and one that is not there cannot go', () => {
  const again = parseTaints(['a=2:NoSchedule'])
  expect(() => changeTaints(node, again, false)).toThrow('--overwrite is false')
  expect(changeTaints(node, again, true)).toEqual([{ key: 'a', value: '2', effect: 'NoSchedule' }])
  expect(changeTaints(node, parseTaints(['a-']), false)).toEqual([])
  expect(() => changeTaints(node, parseTaints(['b-']), false)).toThrow('taint "b" not found')
})
