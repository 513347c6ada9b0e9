/** Runs what has one key one after another, whether or not what came before failed; different keys do not wait for each other. */
export function createKeyedTurns(): <T>(key: string, run: () => Promise<T>) => Promise<T> {
  const turns = new Map<string, Promise<unknown>>()
  return (key, run) => {
    const result = (turns.get(key) ?? Promise.resolve()).then(run, run)
    const turn = result.then(
      () => undefined,
      () => undefined,
    )
    turns.set(key, turn)
    // The last one leaves nothing behind.
    void turn.then(() => turns.get(key) === turn && turns.delete(key))
    return result
  }
}
