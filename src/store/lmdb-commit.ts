/**
 * How our LMDB environments commit. `overlappingSync` would report a commit before it is synced. Batching by turns of the
 * event loop is done by our callers; LMDB's own would wait for the next turn, and where the disk is full it leaves a
 * rejected promise to nobody, which ends the process.
 */
export const durableCommits = { overlappingSync: false, eventTurnBatching: false } as const

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
