import { maxScore, type ScorePlugin } from '../framework/framework.ts'
import { normalizedImage } from '../framework/node-info.ts'

const megabyte = 1024 * 1024
const minBytes = 23 * megabyte
const maxBytesPerContainer = 1000 * megabyte

interface Wanted {
  /** Bytes that count for a node that has the image: fewer while few nodes do, lest all pods go to the same ones. */
  readonly images: readonly { readonly name: string; readonly bytes: number }[]
  readonly containers: number
}

/** Prefers nodes that have the pod's images already, by their size. */
export const imageLocality: ScorePlugin<Wanted> = {
  name: 'ImageLocality',
  prepare({ pod }, snapshot) {
    const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
    const images = containers.flatMap(({ image }) => {
      const name = normalizedImage(image ?? '')
      const state = snapshot.image(name)
      return state ? [{ name, bytes: Math.floor((state.sizeBytes * state.nodeCount) / snapshot.nodes.length) }] : []
    })
    return images.length === 0 ? undefined : { images, containers: containers.length }
  },
  score(_pod, node, { images, containers }) {
    let sum = 0
    for (const { name, bytes } of images) if (node.images.has(name)) sum += bytes
    const most = maxBytesPerContainer * containers
    const bounded = Math.min(Math.max(sum, minBytes), most)
    return Math.floor((maxScore * (bounded - minBytes)) / (most - minBytes))
  },
}
