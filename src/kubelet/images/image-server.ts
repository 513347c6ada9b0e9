import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errors } from '../../api/status-error.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { ContainerRuntime } from '../../runtime/runtime.ts'
import { channel, type Channels } from '../../streams/channels.ts'
import { blobDirectory, type BlobDirectory } from './blob-directory.ts'
import { blobsOf, splitArchive, type ImageContents } from './image-archive.ts'

/** What a peer is told of an image before it asks for its blobs. */
export interface ImageOffer extends ImageContents {
  readonly id: string
}

/** Gives images of this node to peers. */
export interface ImageServer {
  /** The offer of an image, as JSON on channel 1. */
  offer(reference: string, channels: Channels, signal: AbortSignal): Promise<void>
  /** A blob of an image that was offered, from an offset on, on channel 1. */
  blob(wanted: { image: string; digest: string; offset: number }, channels: Channels): Promise<void>
  stop(): Promise<void>
}

/** An image that nobody has asked about for this long is taken from the disk again. */
const keptMs = 60_000

interface Spool {
  readonly offer: Promise<{ readonly image: ImageOffer; readonly directory: BlobDirectory }>
  readonly path: string
  users: number
  timer?: Timer
}

/** `directory`: where images lie apart while peers take them; nothing in it outlives the agent. */
export function createImageServer(runtime: ContainerRuntime, clock: Clock, directory: string): ImageServer {
  const spools = new Map<string, Spool>()
  let prepared = 0
  const emptied = rm(directory, { recursive: true, force: true })

  async function prepare(id: string, reference: string, path: string, signal: AbortSignal) {
    await emptied
    const blobs = await blobDirectory(path)
    const contents = await splitArchive(runtime.save(reference, signal), blobs)
    return { image: { id, ...contents }, directory: blobs }
  }

  function spoolOf(id: string, reference: string, signal: AbortSignal): Spool {
    const found = spools.get(id)
    if (found !== undefined) return found
    // Never one that was used before: what was there is removed in its own time.
    const path = join(directory, String(prepared++))
    const spool: Spool = { offer: prepare(id, reference, path, signal), path, users: 0 }
    spools.set(id, spool)
    spool.offer.catch(() => spools.delete(id))
    return spool
  }

  async function using<T>(id: string, spool: Spool, work: (of: Awaited<Spool['offer']>) => Promise<T>): Promise<T> {
    spool.users++
    spool.timer?.cancel()
    try {
      return await work(await spool.offer)
    } finally {
      spool.users--
      if (spool.users === 0) spool.timer = clock.after(keptMs, () => void drop(id, spool))
    }
  }

  async function drop(id: string, spool: Spool): Promise<void> {
    if (spools.get(id) === spool) spools.delete(id)
    spool.timer?.cancel()
    await rm(spool.path, { recursive: true, force: true })
  }

  return {
    async offer(reference, channels, signal) {
      const image = await runtime.image(reference, signal)
      if (image === undefined) throw errors.notFound({ group: '', resource: 'images' }, reference)
      await using(image.id, spoolOf(image.id, reference, signal), async ({ image: offer }) => {
        await channels.write(channel.stdout, Buffer.from(JSON.stringify(offer)))
        await channels.end(channel.stdout)
      })
    },

    async blob({ image: id, digest, offset }, channels) {
      const spool = spools.get(id)
      if (spool === undefined) throw errors.notFound({ group: '', resource: 'images' }, id)
      await using(id, spool, async ({ image, directory: blobs }) => {
        // Only what was offered: the digest is part of a path.
        const blob = blobsOf(image).find((one) => one.digest === digest)
        if (blob === undefined) throw errors.notFound({ group: '', resource: 'images' }, `${id}/${digest}`)
        if (!Number.isInteger(offset) || offset < 0 || offset > blob.sizeBytes) {
          throw errors.badRequest(`no byte ${offset} in a blob of ${blob.sizeBytes}`)
        }
        for await (const chunk of blobs.read(digest, offset)) await channels.write(channel.stdout, chunk)
        await channels.end(channel.stdout)
      })
    },

    async stop() {
      for (const [id, spool] of spools) await drop(id, spool)
    },
  }
}
