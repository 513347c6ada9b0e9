import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../replace-file.ts'

/** What must be known of a volume to take it away again, also by a later run of the agent (upstream's vol_data.json). */
export interface CsiRecord {
  readonly driverName: string
  readonly volumeHandle: string
  readonly attachmentID: string
  readonly volumeLifecycleMode: 'Persistent' | 'Ephemeral'
  /** Where it is published; absent in the record of a staged volume. */
  readonly targetPath?: string
}

const fileName = 'vol_data.json'

export async function writeRecord(directory: string, record: CsiRecord): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o750 })
  await replaceFile(join(directory, fileName), JSON.stringify(record), 0o600)
}

/** Undefined when there is none. */
export async function readRecord(directory: string): Promise<CsiRecord | undefined> {
  const text = await readFile(join(directory, fileName), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as CsiRecord)
}

/** Of a directory of such directories, by path. */
export async function recordsIn(directory: string): Promise<Map<string, CsiRecord>> {
  const found = new Map<string, CsiRecord>()
  for (const name of await readdir(directory).catch(() => [])) {
    const record = await readRecord(join(directory, name))
    if (record !== undefined) found.set(join(directory, name), record)
  }
  return found
}

/** The record goes first: what is left without one belongs to nobody. Never crosses into a volume that is still mounted. */
export async function removeRecord(directory: string): Promise<void> {
  await rm(join(directory, fileName), { force: true })
  await rm(directory, { recursive: true, force: true })
}
