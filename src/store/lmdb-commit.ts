import { statfsSync } from 'node:fs'

/**
 * How our LMDB environments commit. `overlappingSync` would report a commit before it is synced. Batching by turns of the
 * event loop is done by our callers; LMDB's own would wait for the next turn, and where the disk is full it leaves a
 * rejected promise to nobody, which ends the process.
 */
export const durableCommits = { overlappingSync: false, eventTurnBatching: false } as const

/** What a commit may take besides its records, and what others may write to the disk while it is made. */
const marginBytes = 2 ** 20
/** A record changes its leaf and the pages on the way to it, each of which is copied. */
const copiedPagesBytes = 4 * 4_096

/**
 * Throws where the disk of `directory` has no room for a commit of these records. LMDB must not find out by itself: where
 * a write fails for want of room, it writes its message past the end of a buffer (lmdb 3.5.6: `last_error` in mdb.c), and
 * sooner or later the process ends by that. Without awaiting anything, so that commits stay in their order.
 */
export function requireRoom(directory: string, records: Iterable<Uint8Array>): void {
  let neededBytes = marginBytes
  for (const { length } of records) neededBytes += 2 * length + copiedPagesBytes
  const { bfree, bsize } = statfsSync(directory)
  if (bfree * bsize < neededBytes) throw new Error('no space left on device')
}

/**
 * Waits for a commit. LMDB tells of a failed one by an error whose `commitError` is a promise, which rejects with the
 * cause: that is what this rejects with. If nobody took it, it too would end the process.
 */
export async function committed(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    await (error as { commitError?: Promise<never> }).commitError
    throw error
  }
}
