import { chmod, mkdir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { VolumeError } from './payload.ts'

/**
 * The real path of a volume's subPath. It is made when missing; links are followed only inside the volume, so that a
 * container cannot point its next start at the node's own files.
 */
export async function resolveSubPath(root: string, subPath: string): Promise<string> {
  if (subPath.startsWith('/') || subPath.split('/').includes('..')) {
    throw new VolumeError(`subPath ${JSON.stringify(subPath)} must be relative and must not contain '..'`)
  }
  const realRoot = await realpath(root)
  let current = realRoot
  for (const part of subPath.split('/').filter((one) => one !== '' && one !== '.')) {
    const next = join(current, part)
    const real = await realOrNew(next, realRoot)
    if (real !== realRoot && !real.startsWith(realRoot + sep)) {
      throw new VolumeError(`subPath ${JSON.stringify(subPath)} leads out of its volume`)
    }
    current = real
  }
  return current
}

/** What is made has the mode of the volume itself: whoever may write there may write here. */
async function realOrNew(path: string, root: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    await mkdir(path)
    await chmod(path, (await stat(root)).mode & 0o7777)
    return path
  }
}
