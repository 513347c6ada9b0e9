import { expect, test } from 'vitest'
import type { Node } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { silentLogger } from '../../lib/log.ts'
import { channel, type Channels, type Frame } from '../../streams/channels.ts'
import type { ContainerRuntime, RuntimeImage } from '../../runtime/runtime.ts'
import { createMemoryCluster } from '../testing/memory-cluster.ts'
import { createPeerImages, nodesWithImage } from './peer-images.ts'

const node = (name: string, ...names: string[]): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  status: { images: [{ names, sizeBytes: 1 }] },
})

test('peers are those that have the image, by whatever form of its name', () => {
  const nodes = [node('a', 'web:1'), node('b', 'docker.io/library/web:1'), node('c', 'web:2'), node('self', 'web:1')]
  expect(nodesWithImage(nodes, 'docker.io/library/web:1', 'self')).toEqual(['a', 'b'])
})

/** Peers whose archives are what is given, into a runtime that has the image `loadedId` once it has loaded anything. */
function peers(frames: Record<string, Frame[]>, loadedId: string) {
  const cluster = createMemoryCluster(() => 0)
  for (const name of Object.keys(frames)) cluster.put(refs.nodes, node(name, 'web:1'))
  let loaded = ''
  const runtime = {
    async load(archive: AsyncIterable<Uint8Array>) {
      let text = ''
      for await (const chunk of archive) text += Buffer.from(chunk).toString()
      loaded = text
      return ['web:1']
    },
    image: async () => (loaded === '' ? undefined : ({ id: loadedId } as RuntimeImage)),
  } as unknown as ContainerRuntime
  const access = {
    open: async (name: string) =>
      ({
        frames: (async function* () {
          yield* frames[name] ?? []
        })(),
        close: () => {},
      }) as unknown as Channels,
  }
  const { informers } = cluster
  const images = createPeerImages({ nodeName: 'self', informers, runtime, access, logger: silentLogger })
  return { fetch: () => images.fetch('web:1', () => {}, AbortSignal.timeout(5_000)), loaded: () => loaded }
}

const frame = (number: number, text?: string): Frame => ({
  channel: number,
  ...(text === undefined ? {} : { data: Buffer.from(text) }),
})
const whole = [frame(channel.error, 'sha256:1'), frame(channel.stdout, 'archive'), frame(channel.stdout)]

test('an archive is taken whole, and must be the image that was promised', async () => {
  const good = peers({ a: whole }, 'sha256:1')
  expect(await good.fetch()).toEqual({ id: 'sha256:1' })
  expect(good.loaded()).toBe('archive')
  expect(await peers({ a: whole }, 'sha256:2').fetch()).toBeUndefined()
})

test('a peer that breaks off is followed by the next', async () => {
  const cut = [frame(channel.error, 'sha256:1'), frame(channel.stdout, 'half')]
  expect(await peers({ a: cut, b: whole }, 'sha256:1').fetch()).toEqual({ id: 'sha256:1' })
})
