/**
 * Does the work under a signal that fires with the first of the sources, or after `timeoutMs` (TimeoutError), and lets go of
 * the sources when the work is over. `AbortSignal.any` does not: whoever listens to its signal is kept for as long as the
 * source that lives longest.
 */
export async function underSignals<T>(
  sources: readonly AbortSignal[],
  work: (signal: AbortSignal) => Promise<T>,
  timeoutMs?: number,
): Promise<T> {
  const joined = new AbortController()
  const fire = ({ target }: Event): void => joined.abort((target as AbortSignal).reason)
  for (const source of sources) {
    if (source.aborted) joined.abort(source.reason)
    source.addEventListener('abort', fire, { once: true })
  }
  const late = (): void => joined.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'))
  const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs).unref()
  try {
    return await work(joined.signal)
  } finally {
    clearTimeout(timer)
    for (const source of sources) source.removeEventListener('abort', fire)
  }
}
