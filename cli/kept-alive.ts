/** The clock's timers keep no process alive: this does, until `run` is over. */
export async function keptAlive<T>(run: () => Promise<T>): Promise<T> {
  const alive = setInterval(() => undefined, 1_000)
  try {
    return await run()
  } finally {
    clearInterval(alive)
  }
}
