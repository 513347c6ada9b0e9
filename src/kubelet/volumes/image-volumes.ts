import { mkdir, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Pod, Volume } from '../../api/kinds.ts'
import type { ContainerRuntime, RuntimeImage } from '../../runtime/runtime.ts'
import { createKeyedQueue } from '../keyed-queue.ts'
import { podPaths, podsDirectory } from './pod-paths.ts'
import { unpack } from './unpack.ts'
import { underSignals } from '../../lib/under-signals.ts'

export interface ImageVolumesOptions {
  readonly dataDir: string
  readonly runtime: Pick<ContainerRuntime, 'files'>
  /** The image, present on the node when it resolves; throws why it cannot be had. */
  readonly ensure: (pod: Pod, volume: Volume, signal: AbortSignal) => Promise<RuntimeImage>
}

/** Images as volumes (KEP-4639): their files, read only, unpacked once for all pods that use them. */
export interface ImageVolumes {
  mount(pod: Pod, volume: Volume, signal: AbortSignal): Promise<string>
  /** Takes the volumes from a pod, and removes the files that no other one uses. */
  unmount(podUid: string): Promise<void>
}

const plugin = 'image'
const unpackTimeoutMs = 10 * 60_000

export function createImageVolumes({ dataDir, runtime, ensure }: ImageVolumesOptions): ImageVolumes {
  const directory = join(dataDir, 'image-volumes')
  const inOrder = createKeyedQueue()

  /** Where the image's files are. They are seen whole or not at all. */
  async function unpacked({ id }: RuntimeImage, stopped: AbortSignal): Promise<string> {
    const path = join(directory, id.replace(/^sha256:/, ''))
    if (await stat(path).catch(() => undefined)) return path
    const next = `${path}.new`
    await rm(next, { recursive: true, force: true })
    await mkdir(next, { recursive: true, mode: 0o755 })
    await underSignals([stopped], (signal) => unpack(runtime.files(id, signal), next, signal), unpackTimeoutMs)
    await rename(next, path)
    return path
  }

  const linksOf = (podUid: string): string => dirname(podPaths(dataDir, podUid).volume(plugin, 'any'))

  /** Files by the link of each pod's volume: the links are what is remembered over restarts. */
  async function used(podUid: string): Promise<string[]> {
    const links = linksOf(podUid)
    const names = await readdir(links).catch(() => [])
    return Promise.all(names.map((name) => readlink(join(links, name))))
  }

  return {
    async mount(pod, volume, signal) {
      const link = podPaths(dataDir, pod.metadata.uid ?? '').volume(plugin, volume.name)
      const before = await readlink(link).catch(() => undefined)
      if (before !== undefined) return before
      const image = await ensure(pod, volume, signal)
      return inOrder('files', async () => {
        signal.throwIfAborted()
        const path = await unpacked(image, signal)
        await mkdir(dirname(link), { recursive: true })
        await symlink(path, link)
        return path
      })
    },

    unmount: (podUid) =>
      inOrder('files', async () => {
        const mine = await used(podUid)
        if (mine.length === 0) return
        await rm(linksOf(podUid), { recursive: true, force: true })
        const pods = await readdir(podsDirectory(dataDir)).catch(() => [])
        const others = new Set((await Promise.all(pods.map(used))).flat())
        for (const path of mine) if (!others.has(path)) await rm(path, { recursive: true, force: true })
      }),
  }
}
