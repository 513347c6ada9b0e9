import fc from 'fast-check'
import { expect, test } from 'vitest'
import { withholdWindowUpdates } from './window-updates.ts'

interface Frame {
  type: number
  flag: number
  streamID: number
  length: number
}

function recorder() {
  const sent: Frame[] = []
  const muxer = { sendFrame: (frame: Frame) => sent.push(frame) > 0, closeStream(_id: number) {} }
  withholdWindowUpdates(muxer as never)
  return { sent, muxer }
}
const update = (streamID: number, length: number, flag = 0): Frame => ({ type: 1, flag, streamID, length })

test('small grants are given together, each stream its own, and data passes', () => {
  const { sent, muxer } = recorder()
  muxer.sendFrame(update(1, 40_000))
  muxer.sendFrame(update(2, 40_000))
  const data = { type: 0, flag: 0, streamID: 1, length: 5 }
  muxer.sendFrame(data)
  muxer.sendFrame(update(1, 40_000))
  expect(sent).toEqual([data, update(1, 80_000)])
})

test('a frame that says something else takes along what is owed; a stream that ended is owed nothing', () => {
  const { sent, muxer } = recorder()
  const fin = 4
  muxer.sendFrame(update(1, 100))
  muxer.sendFrame(update(1, 0, fin))
  muxer.sendFrame(update(3, 100))
  muxer.closeStream(3)
  muxer.sendFrame(update(3, 0, fin))
  expect(sent).toEqual([update(1, 100, fin), update(3, 0, fin)])
})

test('a sender is never short of more than a quarter of the smallest window', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ id: fc.integer({ min: 1, max: 3 }), length: fc.nat(100_000) })), (updates) => {
      const { sent, muxer } = recorder()
      for (const { id, length } of updates) muxer.sendFrame(update(id, length))
      for (const id of [1, 2, 3]) {
        const sum = (frames: { length: number }[]) => frames.reduce((total, one) => total + one.length, 0)
        const short = sum(updates.filter((one) => one.id === id)) - sum(sent.filter((one) => one.streamID === id))
        expect(short).toBeGreaterThanOrEqual(0)
        expect(short).toBeLessThan(64 * 1024)
      }
    }),
  )
})
