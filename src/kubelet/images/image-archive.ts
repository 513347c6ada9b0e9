import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import * as tar from 'tar-stream'
import type { Blob, BlobDirectory } from './blob-directory.ts'

/** What an image is made of. Its id is the digest of its configuration, which names the digests of all layers. */
export interface ImageContents {
  readonly config: Blob
  /** The lowest first; one that is there twice is named twice. */
  readonly layers: readonly Blob[]
}

interface SavedManifest {
  readonly Config: string
  readonly Layers: readonly string[]
}

/** The most that an archive's list of images may take. */
const maxManifestBytes = 4 * 1024 * 1024

/** Takes a `docker save` archive of one image apart: its configuration and layers are in the directory afterwards. */
export async function splitArchive(
  archive: AsyncIterable<Uint8Array>,
  directory: BlobDirectory,
): Promise<ImageContents> {
  const extract = tar.extract()
  const blobs = new Map<string, Blob>()
  const links = new Map<string, string>()
  let manifest: SavedManifest | undefined
  const reading = (async () => {
    for await (const entry of extract) {
      const { name, type, linkname, size = 0 } = entry.header
      if (name === 'manifest.json' && size <= maxManifestBytes) {
        const chunks: Uint8Array[] = []
        for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk)
        ;[manifest] = JSON.parse(Buffer.concat(chunks).toString()) as SavedManifest[]
      } else if (type === 'symlink' && linkname) {
        // Relative to the link, and never above the archive's root.
        links.set(name, new URL(linkname, `file:///${name}`).pathname.slice(1))
        entry.resume()
      } else if (type === 'file') blobs.set(name, await directory.put(entry as AsyncIterable<Uint8Array>))
      else entry.resume()
    }
  })()
  await Promise.all([pipeline(Readable.from(archive), extract), reading])
  const blobOf = (name: string): Blob => {
    const found = blobs.get(links.get(name) ?? name)
    if (found === undefined) throw new Error(`the archive lacks ${name}`)
    return found
  }
  if (manifest === undefined) throw new Error('the archive holds no image')
  const contents = { config: blobOf(manifest.Config), layers: manifest.Layers.map(blobOf) }
  const needed = new Set(blobsOf(contents).map(({ digest }) => digest))
  for (const { digest } of blobs.values()) if (!needed.has(digest)) await directory.remove(digest)
  return contents
}

/** Each blob of an image once, the configuration first. */
export const blobsOf = ({ config, layers }: ImageContents): Blob[] => [
  ...new Map([config, ...layers].map((blob) => [blob.digest, blob])).values(),
]

/** The archive that {@link splitArchive} took apart, as engines load it. A name by digest is not a name for an archive. */
export function joinArchive(
  contents: ImageContents,
  reference: string,
  directory: BlobDirectory,
): AsyncIterable<Uint8Array> {
  const pack = tar.pack()
  const pathOf = (blob: Blob): string => (blob === contents.config ? `${blob.digest}.json` : `${blob.digest}/layer.tar`)
  const write = async (): Promise<void> => {
    for (const blob of blobsOf(contents)) {
      const entry = pack.entry({ name: pathOf(blob), size: blob.sizeBytes })
      await pipeline(Readable.from(directory.read(blob.digest, 0)), entry)
    }
    const manifest = {
      Config: pathOf(contents.config),
      RepoTags: reference.includes('@') ? null : [reference],
      Layers: contents.layers.map(pathOf),
    }
    pack.entry({ name: 'manifest.json' }, JSON.stringify([manifest]))
    pack.finalize()
  }
  write().catch((error: Error) => pack.destroy(error))
  return pack as AsyncIterable<Uint8Array>
}
