import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execOk } from '../../lib/exec.ts'

/** Mount points of this directory and below, outermost first. */
async function mountPointsBelow(root: string): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8')
  return table
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))),
    )
    .filter((path) => path === root || path.startsWith(join(root, '/')))
}

export const isMountPoint = async (path: string): Promise<boolean> => (await mountPointsBelow(path)).includes(path)

/** Innermost first. A busy mount is detached lazily: its pod is gone. */
export async function unmountBelow(root: string): Promise<void> {
  for (const path of (await mountPointsBelow(root)).toReversed()) await execOk('umount', ['-l', path])
}
