import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { identityFileNames, identityFromFiles, identityToFiles, type Identity } from './identity-files.ts'

/** Reads an identity. Returns undefined where there is none yet; throws when one is there but damaged. */
export async function loadIdentity(directory: string): Promise<Identity | undefined> {
  const files: Record<string, string> = {}
  for (const name of identityFileNames) {
    const content = await readIfPresent(join(directory, name))
    if (content !== undefined) files[name] = content
  }
  // The last file is written last: without it an earlier save was interrupted and nothing has used the identity yet.
  if (files[identityFileNames.at(-1)!] === undefined) return undefined
  return identityFromFiles(files)
}

/** Writes an identity: directory 0700, files 0600, each whole or not at all, all of them on the disk on return. */
export async function saveIdentity(directory: string, identity: Identity): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  for (const [name, content] of Object.entries(identityToFiles(identity))) {
    await writeFileAtomically(join(directory, name), content)
  }
  await syncDirectory(directory)
}

/** Removes an identity: the machine is a stranger again. Removes `node.json` first, so that half of it counts as none. */
export async function removeIdentity(directory: string): Promise<void> {
  for (const name of identityFileNames.toReversed()) await rm(join(directory, name), { force: true })
  await syncDirectory(directory).catch(ignoreAbsence)
}

/** Write aside, fsync, rename: a reader sees the old content or the new, also after a power cut. */
export async function writeFileAtomically(path: string, content: string, mode = 0o600): Promise<void> {
  const aside = `${path}.new`
  const handle = await open(aside, 'w', mode)
  try {
    // An `aside` left by a crash keeps its old mode when opened again.
    await handle.chmod(mode)
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(aside, path)
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    ignoreAbsence(error)
    return undefined
  }
}

function ignoreAbsence(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}
