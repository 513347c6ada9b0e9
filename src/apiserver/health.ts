/** One named check; throws or rejects with the reason when it fails. */
export interface HealthCheck {
  name: string
  /** Left out of /livez: a node that has no leader is alive, though not ready. */
  readyOnly?: boolean
  check(): void | Promise<void>
}

export interface HealthAnswer {
  code: 200 | 500
  text: string
}

const checkTimeoutMs = 2000

/** /healthz, /livez, /readyz and one check below them, in kube-apiserver's words. undefined: no such check. */
export async function answerHealth(
  checks: readonly HealthCheck[],
  url: URL,
  timeout: (ms: number) => Promise<never>,
): Promise<HealthAnswer | undefined> {
  const [endpoint = '', single] = url.pathname.split('/').filter((part) => part !== '')
  const relevant = checks.filter((check) => endpoint === 'readyz' || check.readyOnly !== true)
  const all: HealthCheck[] = [{ name: 'ping', check: () => undefined }, ...relevant]
  const excluded = new Set(url.searchParams.getAll('exclude'))
  const chosen =
    single === undefined ? all.filter(({ name }) => !excluded.has(name)) : all.filter(({ name }) => name === single)
  if (chosen.length === 0 && single !== undefined) return undefined
  const results = await Promise.all(
    chosen.map(async ({ name, check }) => {
      try {
        await Promise.race([check(), timeout(checkTimeoutMs)])
        return { name, ok: true, line: `[+]${name} ok` }
      } catch {
        // The reason may tell more than a stranger should learn; it is in the log.
        return { name, ok: false, line: `[-]${name} failed: reason withheld` }
      }
    }),
  )
  const failed = results.some(({ ok }) => !ok)
  const lines = results.map(({ line }) => line).join('\n')
  if (failed) return { code: 500, text: `${lines}\n${endpoint} check failed\n` }
  return { code: 200, text: url.searchParams.has('verbose') ? `${lines}\n${endpoint} check passed\n` : 'ok' }
}
