import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pack } from 'tar-stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Node } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { VirtualClock } from '../../lib/testing/virtual-clock.ts'
import { silentLogger } from '../../lib/log.ts'
import type { Channels, Frame } from '../../streams/channels.ts'
import type { NodeRequest } from '../../streams/node-access.ts'
import type { ContainerRuntime, RuntimeImage } from '../../runtime/runtime.ts'
import { createMemoryCluster } from '../testing/memory-cluster.ts'
import { blobDirectory } from './blob-directory.ts'
import { splitArchive } from './image-archive.ts'
import { createImageServer, type ImageServer } from './image-server.ts'
import { createPeerImages, nodesWithImage } from './peer-images.ts'

const node = (name: string, ...names: string[]): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  status: { images: [{ names, sizeBytes: 1 }] },
})
const digestOf = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

test('peers are those that have the image, by whatever form of its name', () => {
  const nodes = [node('a', 'web:1'), node('b', 'docker.io/library/web:1'), node('c', 'web:2'), node('self', 'web:1')]
  expect(nodesWithImage(nodes, 'docker.io/library/web:1', 'self')).toEqual(['a', 'b'])
})

const config = Buffer.from('{"rootfs":{}}')
const imageId = `sha256:${digestOf(config)}`
const layers = [Buffer.alloc(300_000, 'a'), Buffer.alloc(200_000, 'b')] as const

/** As `docker save` writes it, one layer twice: the second time as a link. */
async function* savedImage(): AsyncGenerator<Uint8Array, void, void> {
  const archive = pack()
  archive.entry({ name: 'one/layer.tar' }, layers[0])
  archive.entry({ name: 'two/layer.tar' }, layers[1])
  archive.entry({ name: 'two/json' }, '{}')
  archive.entry({ name: 'three/layer.tar', type: 'symlink', linkname: '../one/layer.tar' })
  archive.entry({ name: 'config.json' }, config)
  const Layers = ['one/layer.tar', 'two/layer.tar', 'three/layer.tar']
  archive.entry({ name: 'manifest.json' }, JSON.stringify([{ Config: 'config.json', RepoTags: ['web:1'], Layers }]))
  archive.finalize()
  for await (const chunk of archive) yield chunk as Uint8Array
}

describe('an image of a peer', () => {
  let root: string
  let servers: Record<string, ImageServer>
  let loaded: { layers: string[]; reference: string } | undefined
  /** What was asked for, in order. */
  let asked: { node: string; digest: string; offset: number }[]
  /** Bytes after which a node's blobs are cut off, taken from the front. */
  let cuts: Record<string, number[]>
  let spoiled: string | undefined
  const clock = new VirtualClock()

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'peer-images-'))
    servers = {}
    loaded = undefined
    asked = []
    cuts = {}
    spoiled = undefined
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  /** The peer's answer as frames; it breaks off where it is to be cut. */
  async function answer(name: string, request: NodeRequest): Promise<Channels> {
    const server = (servers[name] ??= createImageServer(
      { image: async () => ({ id: imageId }) as RuntimeImage, save: savedImage } as unknown as ContainerRuntime,
      clock,
      join(root, name),
    ))
    const frames: Frame[] = []
    const channels = {
      write: async (number: number, data: Uint8Array) => void frames.push({ channel: number, data }),
      end: async (number: number) => void frames.push({ channel: number }),
    } as unknown as Channels
    if (request.kind === 'image') await server.offer(request.reference, channels, AbortSignal.timeout(5_000))
    if (request.kind === 'imageBlob') {
      asked.push({ node: name, digest: request.digest, offset: request.offset })
      await server.blob(request, channels)
      if (spoiled === name) for (const frame of frames) frame.data?.fill(0)
      const cut = cuts[name]?.shift()
      if (cut !== undefined) frames.splice(0, frames.length, { channel: 1, data: firstBytes(frames, cut) })
    }
    return {
      frames: (async function* () {
        yield* frames
      })(),
      close: () => {},
    } as unknown as Channels
  }

  const firstBytes = (frames: readonly Frame[], count: number): Uint8Array =>
    Buffer.concat(frames.flatMap(({ data }) => data ?? [])).subarray(0, count)

  const runtime = {
    async load(archive: AsyncIterable<Uint8Array>) {
      const blobs = await blobDirectory(join(root, 'loaded'))
      const contents = await splitArchive(archive, blobs)
      loaded = { layers: contents.layers.map(({ digest }) => digest), reference: 'web:1' }
      return ['web:1']
    },
    image: async () => (loaded === undefined ? undefined : ({ id: imageId } as RuntimeImage)),
  } as unknown as ContainerRuntime

  function fetch(...nodes: string[]) {
    const cluster = createMemoryCluster(() => 0)
    for (const name of nodes) cluster.put(refs.nodes, node(name, 'web:1'))
    const images = createPeerImages({
      nodeName: 'self',
      informers: cluster.informers,
      runtime,
      access: { open: answer },
      logger: silentLogger,
      clock,
      directory: join(root, 'in'),
    })
    return images.fetch('web:1', () => {}, AbortSignal.timeout(5_000))
  }

  const [first, second] = layers.map(digestOf)

  test('is taken in blobs, each once, and put together as it was', async () => {
    expect(await fetch('a')).toEqual({ id: imageId })
    expect(loaded?.layers).toEqual([first, second, first])
    expect(asked.map(({ digest }) => digest)).toEqual([digestOf(config), first, second])
    expect(await readdir(join(root, 'in'))).toEqual([])
  })

  test('goes on where it was cut off', async () => {
    cuts['a'] = [config.length, 100_000, 50_000]
    expect(await fetch('a')).toEqual({ id: imageId })
    expect(asked.filter(({ digest }) => digest === first).map(({ offset }) => offset)).toEqual([0, 100_000, 150_000])
  })

  test('goes on with the next peer, and after a restart, from what has come', async () => {
    cuts['a'] = [config.length, 100_000, 0]
    cuts['b'] = [0]
    expect(await fetch('a', 'b')).toBeUndefined()
    expect(await fetch('c')).toEqual({ id: imageId })
    expect(asked.filter(({ digest }) => digest === first).map((one) => [one.node, one.offset])).toEqual([
      ['a', 0],
      ['a', 100_000],
      ['b', 100_000],
      ['c', 100_000],
    ])
  })

  test('is what it is called, or is not taken', async () => {
    spoiled = 'a'
    expect(await fetch('a', 'b')).toEqual({ id: imageId })
    expect(loaded?.layers).toEqual([first, second, first])
    expect(asked[1]?.node).toBe('b')
  })

  test('leaves the disk of its peer once nobody asks any more', async () => {
    await fetch('a')
    expect(await readdir(join(root, 'a'))).toHaveLength(1)
    await clock.pass(61_000)
    await expect.poll(() => readdir(join(root, 'a'))).toEqual([])
    const stranger = { image: imageId, digest: '../../etc/passwd', offset: 0 }
    await expect(servers['a']?.blob(stranger, {} as Channels)).rejects.toThrow(/not found/)
  })
})
