import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Node, Pod } from '../../api/kinds.ts'
import { isStatus } from '../../api/status-error.ts'
import { refs } from '../../client/client.ts'
import type { Timer } from '../../lib/clock.ts'
import type { Service } from '../../lib/service.ts'
import type { KubeletOptions } from '../options.ts'
import { hasChanged, isMirrorOf, mirrorPod } from './static-pod.ts'

const lookMs = 5_000
/** A manifest is small; more is not read. */
const maxFiles = 200

/**
 * Pods from a folder of manifests. The API is on this very node, so that a static pod is an ordinary one that its node
 * wrote there and keeps as the file says: deleted by hand it comes back, changed it is made anew, and it goes with its
 * file.
 */
export function createStaticPods(options: KubeletOptions, folder: string): Service {
  const { client, clock, informers, nodeName } = options
  const logger = options.logger.child({ part: 'static-pods' })
  const pods = informers.for<Pod>(refs.pods)
  let timer: Timer | undefined
  let looking: Promise<void> | undefined
  let closed = false

  async function look(): Promise<void> {
    const read = await readManifests()
    if (read === undefined) return
    const { manifests, complete } = read
    const node = informers.for<Node>(refs.nodes).get('', nodeName)
    const wanted = new Map(
      manifests.map((manifest) => {
        const pod = mirrorPod(manifest, nodeName, node?.metadata.uid)
        return [`${pod.metadata.namespace}/${pod.metadata.name}`, pod]
      }),
    )
    for (const pod of pods.list().filter((one) => isMirrorOf(one, nodeName))) {
      const { namespace = '', name = '', deletionTimestamp } = pod.metadata
      const same = wanted.get(`${namespace}/${name}`)
      if (same !== undefined && !hasChanged(pod, same)) wanted.delete(`${namespace}/${name}`)
      else if (!deletionTimestamp && (complete || same !== undefined)) await client.delete(refs.pods, namespace, name)
    }
    for (const pod of wanted.values()) {
      const { namespace = '', name = '' } = pod.metadata
      // The one before is on its way out.
      if (pods.get(namespace, name) !== undefined) continue
      await client.create(refs.pods, pod).catch((error: unknown) => {
        if (!isStatus(error, 'AlreadyExists')) throw error
      })
    }
  }

  /**
   * Undefined when there is no such folder. A file that cannot be read as a pod is named in the log and left out; while
   * there is one, nothing is concluded from a pod's absence.
   */
  async function readManifests(): Promise<{ manifests: Pod[]; complete: boolean } | undefined> {
    const names = await readdir(folder).catch(() => undefined)
    if (names === undefined) return undefined
    const manifests: Pod[] = []
    let complete = true
    for (const name of names.filter((one) => /^[^.].*\.(ya?ml|json)$/.test(one)).slice(0, maxFiles)) {
      try {
        for (const document of parseAllDocuments(await readFile(join(folder, name), 'utf8'))) {
          const pod = document.toJS() as Pod | null
          if (pod?.kind !== 'Pod' || !pod.metadata?.name) throw new Error('it holds no Pod with a name')
          manifests.push(pod)
        }
      } catch (error) {
        complete = false
        logger.warn({ file: name, error: (error as Error).message }, 'static pod manifest cannot be used')
      }
    }
    return { manifests, complete }
  }

  function again(delayMs: number): void {
    if (closed) return
    timer = clock.after(delayMs, () => {
      looking = look()
        .catch((error: unknown) => logger.warn({ error: (error as Error).message }, 'static pods could not be kept'))
        .finally(() => again(lookMs))
    })
  }

  return {
    async start() {
      again(0)
    },
    async stop() {
      closed = true
      timer?.cancel()
      await looking
    },
  }
}
