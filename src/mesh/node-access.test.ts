import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { errors } from '../api/status-error.ts'
import { systemClock } from '../lib/system.ts'
import type { Channels } from '../streams/channels.ts'
import type { NodeServer } from '../streams/node-access.ts'
import { channelPair } from './channel-pair.ts'
import type { Mesh, MeshStream } from './mesh.ts'
import { meshNodeAccess } from './node-access.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const never = new AbortController().signal

/** A MeshStream in memory, on channel 0 of a pair. */
function streamPair(): [MeshStream, MeshStream] {
  const asStream = (channels: Channels): MeshStream => ({
    write: (data) => channels.write(0, data),
    end: () => channels.end(0),
    source: (async function* () {
      for await (const frame of channels.frames) {
        if (!frame.data) return
        yield frame.data
      }
    })(),
    close: (error) => channels.close(error),
    closed: channels.closed,
  })
  const [a, b] = channelPair()
  return [asStream(a), asStream(b)]
}

/** Node access of `here` and `there`, joined in memory. */
function accessTo(server: NodeServer) {
  let onStream: ((from: string, stream: MeshStream) => void) | undefined
  const idle: NodeServer = { serve: async () => {} }
  const there: Pick<Mesh, 'openStream' | 'onStream'> = {
    onStream: (_protocol, handler) => void (onStream = handler),
    openStream: () => Promise.reject(new Error('not used')),
  }
  const here: Pick<Mesh, 'openStream' | 'onStream'> = {
    onStream: () => {},
    async openStream() {
      const [ours, theirs] = streamPair()
      onStream?.('peer-here', theirs)
      return ours
    },
  }
  const options = { clock: systemClock, peerOf: (name: string) => (name === 'there' ? 'peer-there' : undefined) }
  const local = meshNodeAccess({ ...options, mesh: there, self: 'there', server })
  const remote = meshNodeAccess({ ...options, mesh: here, self: 'here', server: idle })
  return { local, remote }
}

async function readAll(channels: Channels): Promise<string[]> {
  const seen: string[] = []
  for await (const frame of channels.frames) {
    seen.push(frame.data ? `${frame.channel}:${new TextDecoder().decode(frame.data)}` : `${frame.channel}.`)
  }
  return seen
}

describe.each(['remote', 'local'] as const)('node access, %s', (way) => {
  test('channels travel both ways until the server is done', async () => {
    const access = accessTo({
      async serve(request, channels) {
        expect(request).toEqual({ kind: 'stats' })
        for await (const frame of channels.frames) {
          if (!frame.data) break
          await channels.write(1, bytes(new TextDecoder().decode(frame.data).toUpperCase()))
        }
        await channels.write(3, bytes('{}'))
      },
    })[way]
    const channels = await access.open('there', { kind: 'stats' }, never)
    await channels.write(0, bytes('abc'))
    await channels.end(0)
    expect(await readAll(channels)).toEqual(['1:ABC', '3:{}'])
    expect(channels.closed.aborted).toBe(true)
  })

  test('a failure before the first use of a channel is thrown by open', async () => {
    const access = accessTo({
      serve: () => Promise.reject(errors.notFound({ group: '', resource: 'pods' }, 'web')),
    })[way]
    await expect(access.open('there', { kind: 'stats' }, never)).rejects.toMatchObject({
      reason: 'NotFound',
      message: 'pods "web" not found',
    })
  })

  test('a failure after it ends the frames with the same error', async () => {
    const access = accessTo({
      async serve(_request, channels) {
        await channels.write(1, bytes('part'))
        throw errors.internal('container is gone')
      },
    })[way]
    const channels = await access.open('there', { kind: 'stats' }, never)
    await expect(readAll(channels)).rejects.toMatchObject({ reason: 'InternalError' })
  })

  test('closing at the asking end aborts the server', async () => {
    let aborted = false
    const access = accessTo({
      async serve(_request, channels, signal) {
        const gone = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        void readAll(channels).catch(() => {})
        await gone
        aborted = true
      },
    })[way]
    const caller = new AbortController()
    await access.open('there', { kind: 'stats' }, caller.signal)
    caller.abort(new Error('hung up'))
    await expect.poll(() => aborted).toBe(true)
  })

  test('a writer waits for its reader, and every byte arrives in order', async () => {
    let written = 0
    const total = 4 * 1024 * 1024
    const access = accessTo({
      async serve(_request, channels) {
        const chunk = new Uint8Array(64 * 1024)
        for (; written < total; written += chunk.length) {
          chunk.fill((written / chunk.length) % 251)
          await channels.write(1, chunk)
        }
      },
    })[way]
    const channels = await access.open('there', { kind: 'stats' }, never)
    await sleep(20)
    expect(written).toBeLessThan(total)
    let read = 0
    for await (const frame of channels.frames) {
      for (const byte of frame.data ?? []) {
        if (byte !== Math.floor(read / (64 * 1024)) % 251) throw new Error(`wrong byte at ${read}`)
        read++
      }
    }
    expect(read).toBe(total)
  })
})

test('a node that is no member is not found', async () => {
  const { remote } = accessTo({ serve: async () => {} })
  await expect(remote.open('nowhere', { kind: 'stats' }, never)).rejects.toMatchObject({ reason: 'NotFound' })
})
