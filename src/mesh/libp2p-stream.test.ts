import type { Stream } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { VirtualClock } from '../lib/testing/virtual-clock.ts'
import { wrapStream } from './libp2p-stream.ts'

/** A stream as libp2p's are in what matters here: resuming delivers what was buffered, and then opens the window. */
class BufferingStream extends EventTarget {
  readStatus = 'readable'
  readonly readBufferLength = 0
  /** Whether the peer may send. */
  isOpen = true
  #buffered: Uint8Array[] = []

  receive(bytes: number): void {
    this.#buffered.push(new Uint8Array(bytes))
    if (this.readStatus === 'readable') this.#deliver()
  }

  pause(): void {
    this.readStatus = 'paused'
    this.isOpen = false
  }

  resume(): void {
    this.readStatus = 'readable'
    this.#deliver()
    this.isOpen = true
  }

  #deliver(): void {
    const chunks = this.#buffered.splice(0)
    for (const data of chunks) this.dispatchEvent(Object.assign(new Event('message'), { data }))
  }
}

test('a reader that is behind again as it resumes keeps its sender waiting', async () => {
  const stream = new BufferingStream()
  const { source } = wrapStream(stream as unknown as Stream, new VirtualClock())
  const reader = source[Symbol.asyncIterator]()
  stream.receive(300_000)
  expect(stream.isOpen).toBe(false)
  stream.receive(300_000)
  await reader.next()
  expect(stream).toMatchObject({ readStatus: 'paused', isOpen: false })
  await reader.next()
  expect(stream).toMatchObject({ readStatus: 'readable', isOpen: true })
})
