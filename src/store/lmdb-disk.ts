import { hkdfSync } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import type { Disk } from './disk.ts'
import { committed, durableCommits, requireRoom } from './lmdb-commit.ts'

export interface LmdbDiskOptions {
  /** Directory; made when missing, readable by its owner only. */
  path: string
  /** 32 bytes. Everything on disk is encrypted with it; another key cannot open the directory. */
  encryptionKey?: Uint8Array
  /** The most that the file may grow to. Default 16 GiB. */
  mapSizeBytes?: number
}

const defaultMapSizeBytes = 16 * 2 ** 30

/** Opens the disk. Throws with a remedy in its message when the directory cannot be used. */
export function lmdbDisk(options: LmdbDiskOptions): Disk {
  const { path, encryptionKey } = options
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const passphrase = encryptionKey && passphraseOf(encryptionKey)
  checkKey(path, passphrase ?? '')
  let database
  try {
    database = open<Buffer, string>({
      path,
      encoding: 'binary',
      keyEncoding: 'ordered-binary',
      mapSize: options.mapSizeBytes ?? defaultMapSizeBytes,
      ...durableCommits,
      ...(passphrase ? { encryptionKey: passphrase } : {}),
    })
  } catch (error) {
    throw new Error(
      `store directory ${path} cannot be opened (wrong encryption key, or damaged): ${String(error)}. ` +
        'Restore the key, or remove the directory and let the node join again.',
      { cause: error },
    )
  }
  const db = database
  let closed: Promise<void> | undefined
  return {
    *load(prefix) {
      const range = db.getRange({ start: prefix, end: `${prefix}\uffff`, snapshot: true })
      for (const { key, value } of range) yield [key, new Uint8Array(value)]
    },
    get(key) {
      const value = db.get(key)
      return value && new Uint8Array(value)
    },
    async commit(batch) {
      if (closed) throw new Error('the disk is closed')
      requireRoom(
        path,
        batch.put.map(([, value]) => value),
      )
      // One transaction, which LMDB's own thread makes: this one only lists what is to be written.
      const work = db.batch(() => {
        for (const [key, value] of batch.put)
          void db.put(key, Buffer.from(value.buffer, value.byteOffset, value.length))
        for (const key of batch.remove) void db.remove(key)
      })
      await committed(work)
    },
    close() {
      closed ??= db.close()
      return closed
    },
  }
}

/** LMDB takes 32 characters; these hold 192 bits of the key. */
function passphraseOf(key: Uint8Array): string {
  return Buffer.from(hkdfSync('sha256', key, '', 'stormo store encryption', 24)).toString('base64')
}

/** LMDB aborts the whole process on a wrong key, so that a fingerprint beside the data is compared first. */
function checkKey(path: string, passphrase: string): void {
  const file = join(path, 'key-fingerprint')
  const fingerprint = Buffer.from(hkdfSync('sha256', passphrase, '', 'stormo store fingerprint', 16)).toString('hex')
  if (!existsSync(file)) {
    writeFileSync(file, fingerprint, { mode: 0o600 })
    return
  }
  if (readFileSync(file, 'utf8') === fingerprint) return
  throw new Error(
    `store directory ${path} was written with another encryption key. Restore that key, ` +
      'or remove the directory and let the node join again.',
  )
}
