import { lstat, mkdir, stat, symlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Logger } from '../lib/log.ts'

/**
 * Gives the data directory the name under which plugins' manifests know it (`/var/lib/kubelet`), by a link. Where
 * something else has that name, the data directory keeps its own, and plugins must be told of that one. Returns the name
 * that is to be told to plugins.
 */
export async function nameRootDirectory(dataDir: string, rootDir: string | undefined, logger: Logger): Promise<string> {
  if (rootDir === undefined || rootDir === dataDir) return dataDir
  const there = await lstat(rootDir).catch(() => undefined)
  if (there === undefined) {
    await mkdir(dirname(rootDir), { recursive: true })
    await symlink(dataDir, rootDir)
  }
  const [ours, named] = await Promise.all([stat(dataDir), stat(rootDir).catch(() => undefined)])
  if (named?.dev === ours.dev && named.ino === ours.ino) return rootDir
  logger.warn({ rootDir, dataDir }, 'the directory of another kubelet is there: plugins find this one by its own name')
  return dataDir
}
