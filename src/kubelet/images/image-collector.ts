import { statfs } from 'node:fs/promises'
import type { Timer } from '../../lib/clock.ts'
import type { Service } from '../../lib/service.ts'
import { pauseImageName } from '../../runtime/pause-image.ts'
import type { RuntimeImage } from '../../runtime/runtime.ts'
import type { KubeletOptions } from '../options.ts'

/** Share of the disk at which unused images begin to go, and to which they go (upstream imageGCHighThresholdPercent). */
const high = 0.85
const low = 0.8
const periodMs = 300_000
/** An image that has just been brought here is about to be used. */
const minAgeMs = 120_000

export interface ImageCollector extends Service {
  /** Removes unused images, however full the disk is. True when one was removed. */
  removeUnused(): Promise<boolean>
}

/** Images that may go, the longest unused first; until `bytes` are free. Pure. */
export function imagesToRemove(
  images: readonly RuntimeImage[],
  used: ReadonlySet<string>,
  lastUsedMs: ReadonlyMap<string, number>,
  nowMs: number,
  bytes: number,
): RuntimeImage[] {
  const age = ({ id }: RuntimeImage): number => nowMs - (lastUsedMs.get(id) ?? nowMs)
  let freed = 0
  return images
    .filter((image) => !used.has(image.id) && !image.tags.includes(pauseImageName) && age(image) >= minAgeMs)
    .toSorted((a, b) => age(b) - age(a))
    .filter((image) => {
      if (freed >= bytes) return false
      freed += image.sizeBytes
      return true
    })
}

/** Removes unused images when the disk fills. What is used is told by the runtime's containers, running or not. */
export function createImageCollector(options: KubeletOptions, onChange: () => void): ImageCollector {
  const { clock, runtime } = options
  const logger = options.logger.child({ part: 'images' })
  const lastUsedMs = new Map<string, number>()
  let timer: Timer | undefined
  let closed = false

  async function collect(bytesToFree: (capacity: number, used: number) => number): Promise<boolean> {
    const disk = await statfs(options.dataDir)
    const capacity = disk.blocks * disk.bsize
    const bytes = bytesToFree(capacity, capacity - disk.bavail * disk.bsize)
    const [images, containers] = await Promise.all([runtime.images(), runtime.list()])
    const used = new Set(containers.map(({ imageId }) => imageId))
    const now = clock.nowMs()
    const known = new Set(images.map(({ id }) => id))
    for (const id of lastUsedMs.keys()) if (!known.has(id)) lastUsedMs.delete(id)
    for (const { id } of images) if (used.has(id) || !lastUsedMs.has(id)) lastUsedMs.set(id, now)
    let removed = false
    for (const image of bytes > 0 ? imagesToRemove(images, used, lastUsedMs, now, bytes) : []) {
      for (const reference of image.tags.length > 0 ? image.tags : [image.id]) await runtime.removeImage(reference)
      logger.info({ image: image.tags[0] ?? image.id, bytes: image.sizeBytes }, 'unused image removed to free disk')
      removed = true
    }
    if (removed) onChange()
    return removed
  }

  function again(): void {
    if (closed) return
    timer = clock.after(periodMs, () => {
      collect((capacity, used) => (used > capacity * high ? used - capacity * low : 0))
        .catch((error: unknown) => logger.warn({ error: (error as Error).message }, 'images could not be collected'))
        .finally(again)
    })
  }

  return {
    removeUnused: () => collect(() => Infinity),
    async start() {
      again()
    },
    async stop() {
      closed = true
      timer?.cancel()
    },
  }
}
