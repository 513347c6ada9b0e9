import { statfs } from 'node:fs/promises'

/**
 * How our LMDB environments commit. `overlappingSync` would report a commit before it is synced. Batching by turns of the
 * event loop is done by our callers; LMDB's own would wait for the next turn, and where the disk is full it leaves a
 * rejected promise to nobody, which ends the process.
 */
export const durableCommits = { overlappingSync: false, eventTurnBatching: false } as const

/** With less room than this left, that is why a commit failed. */
const fullBelowBytes = 2 ** 20

/**
 * Waits for a commit to the environment in `directory`. LMDB tells of a failed one by an error whose `commitError` is a
 * promise, which rejects with the cause: that is what this rejects with. If nobody took it, it too would end the process.
 */
export async function committed(work: Promise<unknown>, directory: string): Promise<void> {
  try {
    await work
  } catch (error) {
    const cause = await ((error as { commitError?: Promise<never> }).commitError ?? Promise.reject(error)).catch(
      (reason: unknown) => reason,
    )
    // A write that was cut short for want of room is an I/O error to LMDB.
    const { bavail, bsize } = await statfs(directory)
    throw bavail * bsize < fullBelowBytes ? new Error('no space left on device', { cause }) : cause
  }
}
