import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeFrame, readFrames, splitFirstFrame } from './framing.ts'

async function* cut(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let offset = 0
  for (let index = 0; offset < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? 1
    yield bytes.subarray(offset, offset + size)
    offset += size
  }
}

async function gather(source: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = []
  for await (const one of source) all.push(one)
  return all
}

const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 10 })
const cuts = fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1, maxLength: 5 })

test('frames survive any way of cutting the stream', async () => {
  await fc.assert(
    fc.asyncProperty(bodies, cuts, async (frames, sizes) => {
      const wire = Buffer.concat(frames.map((body) => encodeFrame(body)))
      const read = await gather(readFrames(cut(wire, sizes), 64))
      expect(read.map((body) => [...body])).toEqual(frames.map((body) => [...body]))
    }),
  )
})

test('the first frame is split from the rest, whatever follows', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), cuts, async (a, b, sizes) => {
      const wire = Buffer.concat([encodeFrame(a), b])
      const { first, rest } = await splitFirstFrame(cut(wire, sizes), 64)
      expect([...first]).toEqual([...a])
      expect(Buffer.concat(await gather(rest)).equals(b)).toBe(true)
    }),
  )
})

test('a frame above the limit and a stream that ends inside one are refused', async () => {
  const frame = encodeFrame(new Uint8Array(100))
  await expect(gather(readFrames(cut(frame, [200]), 99))).rejects.toThrow('exceeds the limit')
  await expect(gather(readFrames(cut(frame.subarray(0, 50), [200]), 100))).rejects.toThrow('inside a frame')
  await expect(splitFirstFrame(cut(frame, [200]), 99)).rejects.toThrow('exceeds')
})
