import { chmod, chown, mkdir, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import type { Payload } from './payload.ts'
import { VolumeError } from './payload.ts'

const dataLink = '..data'

/**
 * Replaces all files of a volume at once: files live in a directory of their own per version, `..data` points at the
 * current one, and what users see are links through it. A reader sees the old files or the new ones, never a mixture
 * (upstream pkg/volume/util/atomic_writer.go). `version` names the new directory and must be new.
 */
export async function writeAtomically(root: string, payload: Payload, version: string, group?: number): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o755 })
  const previous = await readlink(join(root, dataLink)).catch(() => undefined)
  const directory = `..${version}`
  for (const [path, file] of payload) {
    const target = join(root, directory, checkedPath(path))
    await mkdir(dirname(target), { recursive: true, mode: 0o755 })
    await writeFile(target, file.content)
    await chmod(target, group === undefined ? file.mode : file.mode | 0o440)
    if (group !== undefined || file.user !== undefined) await chown(target, file.user ?? 0, group ?? 0)
  }
  await mkdir(join(root, directory), { recursive: true, mode: 0o755 })
  const temporary = join(root, `${dataLink}_tmp`)
  await rm(temporary, { force: true })
  await symlink(directory, temporary)
  await rename(temporary, join(root, dataLink))
  await linkVisible(root, new Set([...payload.keys()].map((path) => path.split('/')[0] ?? path)))
  if (previous !== undefined && previous !== directory) await rm(join(root, previous), { recursive: true, force: true })
}

function checkedPath(path: string): string {
  const normal = normalize(path)
  if (normal.startsWith('/') || normal.split('/').includes('..') || path.startsWith('..')) {
    throw new VolumeError(`invalid path ${JSON.stringify(path)}: it must stay inside the volume`)
  }
  return normal
}

async function linkVisible(root: string, names: ReadonlySet<string>): Promise<void> {
  const present = await readdir(root)
  for (const name of names) {
    if (!present.includes(name)) await symlink(join(dataLink, name), join(root, name))
  }
  for (const name of present) {
    if (!name.startsWith('..') && !names.has(name)) await rm(join(root, name), { force: true })
  }
}
