import { request } from 'node:https'
import type { Clock, Random } from '../../lib/clock.ts'
import { sleep } from '../../lib/sleep.ts'
import type { ProviderConfig } from './provider-config.ts'

/** Largest answer that is read. */
const maxAnswerBytes = 1024 * 1024
const attempts = 3
const firstDelayMs = 250
/** A provider that asks for a longer rest than this is asked again by the work queue's back-off. */
const maxRetryAfterMs = 5000

export interface ProviderAnswer {
  readonly status: number
  readonly body: unknown
}

export interface ProviderRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below `/v1` of the server. */
  readonly path: string
  readonly body?: object
}

/** An answer that nothing can be done with. */
class ProviderError extends Error {
  readonly canRetry: boolean
  readonly retryAfterMs: number | undefined

  constructor(message: string, canRetry: boolean, retryAfterMs?: number) {
    super(message)
    this.canRetry = canRetry
    this.retryAfterMs = retryAfterMs
  }
}

/**
 * Asks the provider, and asks again after a connection that failed, a 429 or a 5xx: all requests are idempotent. Answers
 * with 2xx and 404; throws an Error with what the provider said of everything else.
 */
export function providerRequests(
  config: ProviderConfig,
  { clock, random }: { clock: Clock; random: Random },
): (asked: ProviderRequest, signal: AbortSignal) => Promise<ProviderAnswer> {
  return async (asked, signal) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await once(config, asked, signal)
      } catch (error) {
        signal.throwIfAborted()
        const { canRetry, retryAfterMs = 0, message } = asProviderError(error)
        if (!canRetry || attempt === attempts || retryAfterMs > maxRetryAfterMs)
          throw new Error(`${asked.method} ${config.server}/v1${asked.path}: ${message}`, { cause: error })
        const backOffMs = firstDelayMs * 2 ** (attempt - 1) * (0.5 + random.next())
        await sleep(clock, Math.max(backOffMs, retryAfterMs), signal)
      }
    }
  }
}

const asProviderError = (error: unknown): ProviderError =>
  error instanceof ProviderError ? error : new ProviderError((error as Error).message, true)

async function once(config: ProviderConfig, asked: ProviderRequest, signal: AbortSignal): Promise<ProviderAnswer> {
  const deadline = AbortSignal.timeout(config.timeoutMs)
  try {
    return read(await send(config, asked, AbortSignal.any([signal, deadline])))
  } catch (error) {
    if (deadline.aborted) throw new ProviderError(`no answer within ${config.timeoutMs} ms`, true)
    throw error
  }
}

interface RawAnswer {
  readonly status: number
  readonly text: string
  readonly retryAfter: string | undefined
}

function send(config: ProviderConfig, { method, path, body }: ProviderRequest, signal: AbortSignal) {
  const text = body && JSON.stringify(body)
  const headers = {
    accept: 'application/json',
    'user-agent': 'stormo',
    ...(config.token ? { authorization: `Bearer ${config.token}` } : {}),
    ...(text ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } : {}),
  }
  const tls = { ca: config.caPem, cert: config.clientCertPem, key: config.clientKeyPem }
  return new Promise<RawAnswer>((resolve, reject) => {
    const outgoing = request(`${config.server}/v1${path}`, { method, headers, signal, ...tls }, (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > maxAnswerBytes) outgoing.destroy(new ProviderError(`more than ${maxAnswerBytes} bytes`, false))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        const said = Buffer.concat(chunks).toString('utf8')
        resolve({ status: response.statusCode ?? 0, text: said, retryAfter: response.headers['retry-after'] })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(text)
  })
}

function read({ status, text, retryAfter }: RawAnswer): ProviderAnswer {
  const isGood = status >= 200 && status < 300
  if (isGood || status === 404) return { status, body: isGood && text ? parse(text) : {} }
  const seconds = Number(retryAfter)
  const canRetry = status === 429 || status >= 500
  throw new ProviderError(`${status}: ${messageOf(text)}`, canRetry, seconds > 0 ? seconds * 1000 : undefined)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new ProviderError(`the answer is no JSON: ${text.slice(0, 100)}`, false)
  }
}

/** Providers say what is wrong in `message`, or in words. */
function messageOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown }
    if (typeof message === 'string' && message) return message.slice(0, 500)
  } catch {
    // In words.
  }
  return text.slice(0, 200) || 'without a reason'
}
