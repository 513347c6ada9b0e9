import { chmod, readFile, rename, writeFile } from 'node:fs/promises'

/**
 * Gives a small file this content at once: a reader sees the old text or the new one, never a part. A file that says so
 * already is left alone, so that those who have it bind-mounted keep the one that is there.
 */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return
  const next = `${path}.new`
  await writeFile(next, text)
  await chmod(next, mode)
  await rename(next, path)
}
