import type { Node } from '../../api/kinds.ts'
import { errors } from '../../api/status-error.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { Logger } from '../../lib/log.ts'
import { parseImageReference } from '../../runtime/image-reference.ts'
import type { ContainerRuntime, RuntimeImage } from '../../runtime/runtime.ts'
import { channel, type Channels } from '../../streams/channels.ts'
import type { NodeAccess } from '../../streams/node-access.ts'

export interface PeerImagesOptions {
  readonly nodeName: string
  readonly informers: Informers
  readonly runtime: ContainerRuntime
  readonly access: NodeAccess
  readonly logger: Logger
}

/** Takes images from nodes that have them. */
export interface PeerImages {
  /** Undefined when no node that answers has it. `onProgress` is called whenever something has come. */
  fetch(reference: string, onProgress: () => void, signal: AbortSignal): Promise<RuntimeImage | undefined>
}

/** Peers tried for one image. */
const maxPeers = 3

const canonical = (reference: string): string => JSON.stringify(parseImageReference(reference) ?? reference)

/** Names of the nodes that say they have the image. Pure. */
export function nodesWithImage(nodes: readonly Node[], reference: string, self: string): string[] {
  const wanted = canonical(reference)
  return nodes
    .filter(({ metadata }) => metadata.name !== self)
    .filter(({ status }) =>
      (status?.images ?? []).some(({ names }) => (names ?? []).some((name) => canonical(name) === wanted)),
    )
    .map(({ metadata }) => metadata.name ?? '')
}

export function createPeerImages({ nodeName, informers, runtime, access, logger }: PeerImagesOptions): PeerImages {
  async function fetchFrom(
    node: string,
    reference: string,
    onProgress: () => void,
    signal: AbortSignal,
  ): Promise<RuntimeImage> {
    const channels = await access.open(node, { kind: 'image', reference }, signal)
    let promisedId = ''
    async function* archive(): AsyncGenerator<Uint8Array, void, void> {
      let complete = false
      for await (const frame of channels.frames) {
        onProgress()
        if (frame.channel === channel.error && frame.data) promisedId = Buffer.from(frame.data).toString()
        else if (frame.channel === channel.stdout && frame.data) yield frame.data
        else if (frame.channel === channel.stdout) complete = true
      }
      if (!complete) throw errors.unavailable(`node ${node} broke off while it sent ${reference}`)
    }
    try {
      await runtime.load(archive(), signal)
    } finally {
      channels.close()
    }
    const image = await runtime.image(reference, signal)
    // The id is the digest of the configuration, which holds the digests of all layers: the runtime has checked those.
    if (image === undefined || image.id !== promisedId) {
      throw errors.internal(`node ${node} sent ${image?.id ?? 'nothing'} in place of ${promisedId}`)
    }
    return image
  }

  return {
    async fetch(reference, onProgress, signal) {
      const nodes = nodesWithImage(informers.for<Node>(refs.nodes).list(), reference, nodeName)
      for (const node of nodes.slice(0, maxPeers)) {
        try {
          return await fetchFrom(node, reference, onProgress, signal)
        } catch (error) {
          if (signal.aborted) throw error
          logger.info({ node, image: reference, error: (error as Error).message }, 'a peer could not give an image')
        }
      }
      return undefined
    },
  }
}

/** Sends an image of this node: its id, then its archive. */
export async function serveImage(
  runtime: ContainerRuntime,
  reference: string,
  channels: Channels,
  signal: AbortSignal,
): Promise<void> {
  const image = await runtime.image(reference, signal)
  if (image === undefined) throw errors.notFound({ group: '', resource: 'images' }, reference)
  await channels.write(channel.error, Buffer.from(image.id))
  for await (const chunk of runtime.save(reference, signal)) await channels.write(channel.stdout, chunk)
  await channels.end(channel.stdout)
}
