/**
 * Does `work` with a signal that is aborted as soon as one of `sources` is, for its reason. Nothing stays with the sources
 * once the work is over; AbortSignal.any keeps what listens to it alive for as long as any of them.
 */
export async function withAnySignal<T>(
  sources: readonly AbortSignal[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const followed = sources.map((source) => {
    const follow = () => controller.abort(source.reason)
    if (source.aborted) follow()
    else source.addEventListener('abort', follow, { once: true })
    return () => source.removeEventListener('abort', follow)
  })
  try {
    return await work(controller.signal)
  } finally {
    for (const leave of followed) leave()
  }
}
