import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { channelPair } from './channel-pair.ts'
import { channelSocket } from './channel-socket.ts'
import { channel, type Channels, type Frame } from './channels.ts'
import { joinChannels } from './join.ts'
import { dataFrame, parseFrames, pingFrame, synStreamFrame } from './spdy-frames.ts'
import { createHeaderCodec } from './spdy-headers.ts'
import { spdyPortForward } from './spdy-port-forward.ts'
import { spdyRemoteCommand } from './spdy-remote-command.ts'

async function collect(channels: Channels): Promise<Frame[]> {
  const frames: Frame[] = []
  for await (const frame of channels.frames) frames.push(frame)
  return frames
}

describe('channel pair', () => {
  test('frames arrive in order, half-closes between them, and those before a close', async () => {
    const [left, right] = channelPair()
    await left.write(1, Buffer.from('a'))
    await left.end(1)
    await left.end(1)
    await left.write(2, Buffer.from('b'))
    left.close()
    expect((await collect(right)).map(({ channel: number, data }) => [number, data && String(data)])).toEqual([
      [1, 'a'],
      [1, undefined],
      [2, 'b'],
    ])
    expect(right.closed.aborted).toBe(true)
  })
  test('an error reaches the reader, and writing to a closed peer rejects', async () => {
    const [left, right] = channelPair()
    left.close(new Error('gone'))
    await expect(collect(right)).rejects.toThrow('gone')
    await expect(right.write(1, Buffer.from('x'))).rejects.toThrow()
  })
  test('a writer waits for a slow reader', async () => {
    const [left, right] = channelPair()
    let written = 0
    const writing = (async () => {
      for (; written < 20; written++) await left.write(1, Buffer.alloc(64 * 1024))
      left.close()
    })()
    await new Promise((resolve) => setImmediate(resolve))
    expect(written).toBeLessThan(20)
    expect(await collect(right)).toHaveLength(20)
    await writing
  })
  test('joined channels pass both ways and close together', async () => {
    const [a, b] = channelPair()
    const [c, d] = channelPair()
    const joined = joinChannels(b, c)
    await a.write(0, Buffer.from('in'))
    const [frame] = [await d.frames[Symbol.asyncIterator]().next()]
    expect(String((frame.value as Frame).data)).toBe('in')
    d.close()
    await joined
    expect(a.closed.aborted).toBe(true)
  })
  test('a socket over a channel carries bytes and the end', async () => {
    const [near, far] = channelPair()
    const socket = channelSocket(near, 0)
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    const ended = new Promise((resolve) => socket.once('end', resolve))
    await far.write(0, Buffer.from('hello'))
    await far.end(0)
    await ended
    expect(String(Buffer.concat(chunks))).toBe('hello')
    socket.end('bye')
    expect(String((await far.frames[Symbol.asyncIterator]().next()).value.data)).toBe('bye')
  })
})

describe('SPDY framing', () => {
  test('frames survive any cut of the byte stream', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            stream: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
            data: fc.uint8Array({ maxLength: 50 }),
            fin: fc.boolean(),
          }),
          { maxLength: 8 },
        ),
        fc.integer({ min: 1, max: 13 }),
        (frames, step) => {
          const bytes = Buffer.concat(frames.map(({ stream, data, fin }) => dataFrame(stream, data, fin)))
          const seen = []
          let rest: Buffer = Buffer.alloc(0)
          for (let at = 0; at < bytes.length; at += step) {
            const parsed = parseFrames(Buffer.concat([rest, bytes.subarray(at, at + step)]))
            seen.push(...parsed.frames)
            rest = parsed.rest
          }
          expect(rest.length).toBe(0)
          expect(seen).toEqual(
            frames.map(({ stream, data, fin }) => ({ type: 'data', stream, fin, data: Buffer.from(data) })),
          )
        },
      ),
    )
  })
  test('another version and a giant frame are refused', () => {
    expect(() => parseFrames(Buffer.from([0x80, 2, 0, 6, 0, 0, 0, 0]))).toThrow('SPDY version 2')
    expect(() => parseFrames(Buffer.from([0, 0, 0, 1, 0, 0xff, 0xff, 0xff]))).toThrow('bytes')
  })
  test('header blocks share one compression state', async () => {
    const sender = createHeaderCodec()
    const receiver = createHeaderCodec()
    const headers = { streamtype: 'stdout', port: '80' }
    const first = await sender.encode(headers)
    const second = await sender.encode(headers)
    expect(await receiver.decode(first)).toEqual(headers)
    expect(await receiver.decode(second)).toEqual(headers)
    expect(second.length).toBeLessThan(first.length)
    sender.close()
    receiver.close()
  })
})

/** Both ends of one connection; `sent` is what the server wrote. */
function wire() {
  const sent: Buffer[] = []
  const server = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      sent.push(chunk)
      done()
    },
  })
  const codec = createHeaderCodec()
  return {
    server,
    frames: () => parseFrames(Buffer.concat(sent)).frames,
    open: async (stream: number, headers: Record<string, string>) =>
      void server.push(synStreamFrame(stream, await codec.encode(headers))),
    push: (bytes: Buffer) => void server.push(bytes),
  }
}

describe('remote command over SPDY', () => {
  test('stands once every stream is open; channels are streams by their type', async () => {
    const { server, open, push, frames } = wire()
    const ready = spdyRemoteCommand(
      server,
      { stdin: true, stdout: true, stderr: true, tty: false },
      new AbortController().signal,
    )
    for (const [at, streamtype] of ['error', 'stdin', 'stdout', 'stderr'].entries())
      await open(at * 2 + 1, { streamtype })
    const channels = await ready
    push(dataFrame(3, Buffer.from('typed'), true))
    push(pingFrame(9))
    const reader = channels.frames[Symbol.asyncIterator]()
    expect(String((await reader.next()).value.data)).toBe('typed')
    expect((await reader.next()).value).toEqual({ channel: channel.stdin })
    await channels.write(channel.stdout, Buffer.from('out'))
    expect(frames()).toContainEqual({ type: 'data', stream: 5, fin: false, data: Buffer.from('out') })
    await expect.poll(() => frames().some((frame) => frame.type === 'ping')).toBe(true)
    channels.close()
    expect(frames().at(-1)).toEqual({ type: 'go-away' })
  })
  test('a client that never opens its streams is given up', async () => {
    const { server } = wire()
    const late = new AbortController()
    const ready = spdyRemoteCommand(server, { stdin: false, stdout: true, stderr: false, tty: false }, late.signal)
    late.abort()
    await expect(ready).rejects.toThrow('in time')
  })
})

test('port-forward over SPDY pairs streams by their request', async () => {
  const { server, open, push } = wire()
  const opened: { port: number; channels: Channels }[] = []
  spdyPortForward(server, { onConnection: (port, channels) => opened.push({ port, channels }), onClose() {} })
  for (const [at, [streamtype, requestid]] of [
    ['error', '0'],
    ['error', '1'],
    ['data', '1'],
    ['data', '0'],
  ].entries()) {
    await open(at * 2 + 1, {
      streamtype: streamtype ?? '',
      requestid: requestid ?? '',
      port: requestid === '0' ? '80' : '443',
    })
  }
  await expect.poll(() => opened.map(({ port }) => port)).toEqual([443, 80])
  push(dataFrame(7, Buffer.from('for 80'), false))
  const { value } = await opened[1]!.channels.frames[Symbol.asyncIterator]().next()
  expect(String(value.data)).toBe('for 80')
})
