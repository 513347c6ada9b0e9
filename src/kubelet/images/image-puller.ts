import type { Clock } from '../../lib/clock.ts'
import { underSignals } from '../../lib/under-signals.ts'
import { isLatest, parseImageReference } from '../../runtime/image-reference.ts'
import { RuntimeError, type ContainerRuntime, type RegistryAuth, type RuntimeImage } from '../../runtime/runtime.ts'
import type { StartFailure } from '../core/pod-view.ts'
import type { PeerImages } from './peer-images.ts'

export interface ImageWanted {
  readonly podUid: string
  readonly image: string
  /** Undefined: by the reference (Always for `latest`). */
  readonly policy: string | undefined
  readonly credentials: readonly RegistryAuth[]
  /** Records an Event on the container. */
  readonly say: (type: 'Normal' | 'Warning', reason: string, message: string) => void
}

/** The image cannot be had now: the container waits with this reason. */
export class ImageError extends Error {
  override name = 'ImageError'
  readonly failure: StartFailure
  /** When to try again; undefined for mistakes that only a new spec mends. */
  readonly retryAtMs: number | undefined

  constructor(failure: StartFailure, retryAtMs: number | undefined) {
    super(failure.message)
    this.failure = failure
    this.retryAtMs = retryAtMs
  }
}

export interface ImagePuller {
  /** The image when it is on the node and need not be asked for elsewhere. */
  present(wanted: ImageWanted, signal: AbortSignal): Promise<RuntimeImage | undefined>
  /** The image, present on the node when it resolves. Throws {@link ImageError}. */
  ensure(wanted: ImageWanted, signal: AbortSignal): Promise<RuntimeImage>
}

const initialBackoffMs = 10_000
const maxBackoffMs = 300_000
/** A pull that makes no progress for this long is given up. */
const stalledMs = 60_000
/** Entries of pods that are long gone are dropped beyond this many. */
const maxBackoffEntries = 4_096

interface PullBackoff {
  delayMs: number
  untilMs: number
  lastError: string
}

export interface ImagePullerOptions {
  readonly runtime: ContainerRuntime
  readonly clock: Clock
  readonly maxParallelPulls: number
  /** Asked before a registry, unless the policy is Always: then the registry's word counts. */
  readonly peers: PeerImages | undefined
}

export function createImagePuller({ runtime, clock, maxParallelPulls, peers }: ImagePullerOptions): ImagePuller {
  const backoffs = new Map<string, PullBackoff>()
  const waiting: (() => void)[] = []
  let pulling = 0

  async function slot<T>(work: () => Promise<T>): Promise<T> {
    if (pulling >= maxParallelPulls) await new Promise<void>((resolve) => waiting.push(resolve))
    else pulling++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) pulling--
      else next()
    }
  }

  async function pull(wanted: ImageWanted, signal: AbortSignal): Promise<RuntimeImage> {
    const stalled = new AbortController()
    let timer = clock.after(stalledMs, () => stalled.abort())
    const onProgress = (): void => {
      timer.cancel()
      timer = clock.after(stalledMs, () => stalled.abort())
    }
    try {
      return await underSignals([signal, stalled.signal], (both) => pullWhole(wanted, onProgress, both))
    } catch (error) {
      throw stalled.signal.aborted ? new Error(`no progress for ${stalledMs / 1000}s`) : error
    } finally {
      timer.cancel()
    }
  }

  async function pullWhole(wanted: ImageWanted, onProgress: () => void, signal: AbortSignal): Promise<RuntimeImage> {
    if (policyOf(wanted) !== 'Always') {
      const image = await peers?.fetch(wanted.image, onProgress, signal)
      if (image !== undefined) return image
    }
    let last: unknown
    for (const auth of wanted.credentials.length > 0 ? wanted.credentials : [undefined]) {
      try {
        return await runtime.pull(wanted.image, auth, onProgress, signal)
      } catch (error) {
        last = error
      }
    }
    throw last
  }

  function failed(key: string, wanted: ImageWanted, error: Error): ImageError {
    const now = clock.nowMs()
    const before = backoffs.get(key)
    const expired = before === undefined || now - before.untilMs > 2 * maxBackoffMs
    const delayMs = expired ? initialBackoffMs : Math.min(before.delayMs * 2, maxBackoffMs)
    if (backoffs.size >= maxBackoffEntries) backoffs.delete(backoffs.keys().next().value ?? '')
    backoffs.set(key, { delayMs, untilMs: now + delayMs, lastError: error.message })
    wanted.say('Warning', 'Failed', `Failed to pull image "${wanted.image}": ${error.message}`)
    wanted.say('Warning', 'Failed', 'Error: ErrImagePull')
    return new ImageError(
      { reason: 'ErrImagePull', message: error.message },
      // Shown as ErrImagePull for a moment, then as the back-off that follows it.
      now + 1_000,
    )
  }

  return {
    async present(wanted, signal) {
      if (policyOf(wanted) === 'Always' || parseImageReference(wanted.image) === undefined) return undefined
      const image = await runtime.image(wanted.image, signal)
      if (image !== undefined) wanted.say('Normal', 'Pulled', alreadyPresent(wanted.image))
      return image
    },

    async ensure(wanted, signal) {
      const { image, say } = wanted
      if (parseImageReference(image) === undefined) {
        const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`
        say('Warning', 'InspectFailed', message)
        say('Warning', 'Failed', 'Error: InvalidImageName')
        throw new ImageError({ reason: 'InvalidImageName', message }, undefined)
      }
      const policy = policyOf(wanted)
      const present = await runtime.image(image, signal)
      if (present !== undefined && policy !== 'Always') {
        say('Normal', 'Pulled', alreadyPresent(image))
        return present
      }
      if (policy === 'Never') {
        const message = `Container image "${image}" is not present with pull policy of Never`
        say('Warning', 'ErrImageNeverPull', message)
        say('Warning', 'Failed', 'Error: ErrImageNeverPull')
        throw new ImageError({ reason: 'ErrImageNeverPull', message }, clock.nowMs() + 10_000)
      }
      const key = `${wanted.podUid}_${image}`
      const backoff = backoffs.get(key)
      if (backoff !== undefined && clock.nowMs() < backoff.untilMs) {
        const message = `Back-off pulling image "${image}": ErrImagePull: ${backoff.lastError}`
        say('Normal', 'BackOff', `Back-off pulling image "${image}"`)
        say('Warning', 'Failed', 'Error: ImagePullBackOff')
        throw new ImageError({ reason: 'ImagePullBackOff', message }, backoff.untilMs)
      }
      const askedMs = clock.monotonicMs()
      return slot(async () => {
        const startedMs = clock.monotonicMs()
        say('Normal', 'Pulling', `Pulling image "${image}"`)
        try {
          const pulled = await pull(wanted, signal)
          backoffs.delete(key)
          const endMs = clock.monotonicMs()
          say(
            'Normal',
            'Pulled',
            `Successfully pulled image "${image}" in ${seconds(endMs - startedMs)} (${seconds(endMs - askedMs)} including waiting). Image size: ${pulled.sizeBytes} bytes.`,
          )
          return pulled
        } catch (error) {
          // A daemon that is away says nothing about the image.
          if (signal.aborted || (error instanceof RuntimeError && error.kind === 'unreachable')) throw error
          throw failed(key, wanted, error as Error)
        }
      })
    },
  }
}

const policyOf = ({ policy, image }: ImageWanted): string => policy ?? (isLatest(image) ? 'Always' : 'IfNotPresent')

const alreadyPresent = (image: string): string => `Container image "${image}" already present on machine`

const seconds = (ms: number): string => (ms < 1000 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(3)}s`)
