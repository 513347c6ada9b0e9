import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** A file by what is in it. */
export interface Blob {
  /** SHA-256, in hexadecimal. */
  readonly digest: string
  readonly sizeBytes: number
}

/** Files named by their digests, and beginnings of such. */
export interface BlobDirectory {
  /** Takes the bytes under the name that they turn out to have. */
  put(bytes: AsyncIterable<Uint8Array>): Promise<Blob>
  /** How much of it is here: all of `sizeBytes` only when it has been verified. */
  held(blob: Blob): Promise<number>
  /** Adds to the beginning that is here; whole, it is verified. A beginning that turns out wrong is dropped, and thrown about. */
  append(blob: Blob, bytes: AsyncIterable<Uint8Array>): Promise<void>
  read(digest: string, offset: number): AsyncIterable<Uint8Array>
  remove(digest: string): Promise<void>
  /** Drops what nobody has touched for this long. */
  prune(olderThanMs: number, nowMs: number): Promise<void>
}

export async function blobDirectory(directory: string): Promise<BlobDirectory> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const wholePath = (digest: string): string => join(directory, digest)
  const partPath = (digest: string): string => join(directory, `${digest}.part`)
  const sizeOf = (path: string): Promise<number | undefined> =>
    stat(path).then(
      ({ size }) => size,
      () => undefined,
    )
  let incoming = 0

  return {
    async put(bytes) {
      const path = join(directory, `incoming-${process.pid}-${incoming++}.part`)
      const hash = createHash('sha256')
      let sizeBytes = 0
      const file = await open(path, 'w', 0o600)
      try {
        for await (const chunk of bytes) {
          hash.update(chunk)
          sizeBytes += chunk.length
          await file.write(chunk)
        }
      } finally {
        await file.close()
      }
      const digest = hash.digest('hex')
      await rename(path, wholePath(digest))
      return { digest, sizeBytes }
    },

    async held({ digest, sizeBytes }) {
      if ((await sizeOf(wholePath(digest))) === sizeBytes) return sizeBytes
      const size = (await sizeOf(partPath(digest))) ?? 0
      if (size < sizeBytes) return size
      // Longer than it may be, or never verified: it is fetched anew.
      await rm(partPath(digest), { force: true })
      return 0
    },

    async append({ digest, sizeBytes }, bytes) {
      const path = partPath(digest)
      const file = await open(path, 'a', 0o600)
      try {
        let { size } = await file.stat()
        for await (const chunk of bytes) {
          await file.write(chunk)
          size += chunk.length
          if (size > sizeBytes) break
        }
      } finally {
        await file.close()
      }
      const size = (await sizeOf(path)) ?? 0
      if (size < sizeBytes) throw new Error(`${digest.slice(0, 12)} broke off at ${size} of ${sizeBytes} bytes`)
      const hash = createHash('sha256')
      await pipeline(createReadStream(path), hash)
      if (size === sizeBytes && hash.digest('hex') === digest) return rename(path, wholePath(digest))
      await rm(path)
      throw new Error(`what was sent as ${digest.slice(0, 12)} is something else`)
    },

    read: (digest, start) => createReadStream(wholePath(digest), { start }),

    async remove(digest) {
      for (const path of [wholePath(digest), partPath(digest)]) await rm(path, { force: true })
    },

    async prune(olderThanMs, nowMs) {
      for (const name of await readdir(directory)) {
        const path = join(directory, name)
        const found = await stat(path).catch(() => undefined)
        if (found !== undefined && nowMs - found.mtimeMs > olderThanMs) await rm(path, { force: true })
      }
    },
  }
}
