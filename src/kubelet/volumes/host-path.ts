import { mkdir, stat, writeFile } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { dirname } from 'node:path'
import { VolumeError } from './payload.ts'

const checks: Record<string, { is: (stats: Stats) => boolean; what: string }> = {
  Directory: { is: (stats) => stats.isDirectory(), what: 'a directory' },
  DirectoryOrCreate: { is: (stats) => stats.isDirectory(), what: 'a directory' },
  File: { is: (stats) => stats.isFile(), what: 'a file' },
  FileOrCreate: { is: (stats) => stats.isFile(), what: 'a file' },
  Socket: { is: (stats) => stats.isSocket(), what: 'a socket file' },
  CharDevice: { is: (stats) => stats.isCharacterDevice(), what: 'a character device' },
  BlockDevice: { is: (stats) => stats.isBlockDevice(), what: 'a block device' },
}

/** Checks a hostPath's type, and makes what its type says may be made. */
export async function prepareHostPath(path: string, type: string): Promise<void> {
  let stats = await stat(path).catch(() => undefined)
  if (stats === undefined) {
    if (type === 'DirectoryOrCreate' || type === '') await mkdir(path, { recursive: true, mode: 0o755 })
    else if (type === 'FileOrCreate') await writeNew(path)
    stats = await stat(path).catch(() => undefined)
  }
  const check = checks[type]
  if (check === undefined) return
  if (stats === undefined || !check.is(stats)) {
    throw new VolumeError(`hostPath type check failed: ${path} is not ${check.what}`)
  }
}

/** Parent directories are not made: upstream wants them to be there. */
async function writeNew(path: string): Promise<void> {
  const parent = await stat(dirname(path)).catch(() => undefined)
  if (parent?.isDirectory()) await writeFile(path, '', { mode: 0o644, flag: 'a' })
}
