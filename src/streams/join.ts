import type { Channels } from './channels.ts'

/** Passes everything between two Channels until both directions are over; then both are closed. Never rejects. */
export async function joinChannels(a: Channels, b: Channels): Promise<void> {
  const failures = await Promise.all([pass(a, b), pass(b, a)])
  const error = failures.find((one) => one !== undefined)
  a.close(error)
  b.close(error)
}

async function pass(from: Channels, to: Channels): Promise<Error | undefined> {
  try {
    for await (const { channel, data } of from.frames) await (data ? to.write(channel, data) : to.end(channel))
    // The source is gone for good: what still flows the other way has nobody to read it.
    to.close()
    return undefined
  } catch (error) {
    to.close(error as Error)
    from.close(error as Error)
    return error as Error
  }
}
