import { lstat, mkdir, readlink, rm, stat, symlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Logger } from '../lib/log.ts'

/** Where plugins look for the machine's kubelet. */
export const kubeletRootDir = '/var/lib/kubelet'

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

/** Takes back the name that {@link nameRootDirectory} gave; another kubelet's stays. */
export async function unnameRootDirectory(dataDir: string, rootDir: string): Promise<void> {
  if ((await readlink(rootDir).catch(() => undefined)) === dataDir) await rm(rootDir)
}
