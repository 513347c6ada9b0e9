import { chmod, lchown, lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Rights that a pod's group gets: to read and write, to enter directories, and on what is made in them (setgid). */
const fileRights = 0o660
const directoryRights = 0o2770

/**
 * Gives a volume with all that is in it to a group (upstream pkg/volume/volume_linux.go). `OnRootMismatch` believes the
 * root: what is right there is taken to be right below.
 */
export async function giveToGroup(root: string, group: number, changePolicy: string | undefined): Promise<void> {
  const stats = await lstat(root)
  const isRight = stats.gid === group && (stats.mode & directoryRights) === directoryRights
  if (changePolicy === 'OnRootMismatch' && isRight) return
  await give(root, group)
}

/** The root comes last: it tells of a walk that was cut off. */
async function give(path: string, group: number): Promise<void> {
  const stats = await lstat(path)
  if (stats.isDirectory()) for (const name of await readdir(path)) await give(join(path, name), group)
  await lchown(path, stats.uid, group)
  if (stats.isSymbolicLink()) return
  await chmod(path, (stats.mode & 0o7777) | (stats.isDirectory() ? directoryRights : fileRights))
}
