/**
 * Long computations on one thread, one step a turn of the event loop: between any two steps, whoever's, what is short
 * gets its answer. First come, first served.
 * @param nextTurn resolves in the next turn of the event loop
 */
export function createTurns(nextTurn: () => Promise<void>): () => Promise<void> {
  let last = Promise.resolve()
  return () => (last = last.then(nextTurn))
}
