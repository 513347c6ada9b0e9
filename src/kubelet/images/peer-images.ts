import type { Node } from '../../api/kinds.ts'
import { errors } from '../../api/status-error.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { parseImageReference } from '../../runtime/image-reference.ts'
import type { ContainerRuntime, RuntimeImage } from '../../runtime/runtime.ts'
import { channel, type Channels } from '../../streams/channels.ts'
import type { NodeAccess } from '../../streams/node-access.ts'
import { blobDirectory, type Blob } from './blob-directory.ts'
import { blobsOf, joinArchive } from './image-archive.ts'
import type { ImageOffer } from './image-server.ts'

export interface PeerImagesOptions {
  readonly nodeName: string
  readonly informers: Informers
  readonly runtime: ContainerRuntime
  readonly access: NodeAccess
  readonly logger: Logger
  readonly clock: Clock
  /** Where blobs are gathered until their image is whole, over restarts of the agent. */
  readonly directory: string
}

/** Takes images from nodes that have them. */
export interface PeerImages {
  /** Undefined when no node that answers has it. `onProgress` is called whenever something has come. */
  fetch(reference: string, onProgress: () => void, signal: AbortSignal): Promise<RuntimeImage | undefined>
}

/** Peers tried for one image. */
const maxPeers = 3
/** How often a blob is gone on with at the same peer. */
const maxCuts = 5
/** What has come of an image that nobody has gone on with is kept for this long. */
const keptMs = 3_600_000
const maxOfferBytes = 1024 * 1024

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

export function createPeerImages(options: PeerImagesOptions): PeerImages {
  const { nodeName, informers, runtime, access, logger, clock } = options
  const held = blobDirectory(options.directory)
  // Whoever asks says what went wrong.
  held.catch(() => undefined)

  async function offerOf(node: string, reference: string, signal: AbortSignal): Promise<ImageOffer> {
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of received(await access.open(node, { kind: 'image', reference }, signal))) {
      bytes += chunk.length
      if (bytes > maxOfferBytes) throw errors.internal(`node ${node} offers ${reference} at too great a length`)
      chunks.push(chunk)
    }
    return JSON.parse(Buffer.concat(chunks).toString()) as ImageOffer
  }

  /** Takes what is missing of one blob; a cut costs no more than what was on its way. */
  async function take(node: string, image: string, blob: Blob, onProgress: () => void, signal: AbortSignal) {
    const directory = await held
    for (let cuts = 0; ; cuts++) {
      const offset = await directory.held(blob)
      if (offset === blob.sizeBytes) return
      try {
        const request = { kind: 'imageBlob' as const, image, digest: blob.digest, offset }
        await directory.append(blob, received(await access.open(node, request, signal), onProgress))
      } catch (error) {
        // Without progress the peer is given up; what has come is kept for the next one.
        if (signal.aborted || cuts >= maxCuts || (await directory.held(blob)) <= offset) throw error
        logger.debug({ node, blob: blob.digest, error: (error as Error).message }, 'an image was cut off; going on')
      }
    }
  }

  async function fetchFrom(node: string, reference: string, onProgress: () => void, signal: AbortSignal) {
    const directory = await held
    const offer = await offerOf(node, reference, signal)
    onProgress()
    // What is named by what is in it can be believed; so must the image be that the blobs are of.
    if (offer.id !== `sha256:${offer.config.digest}` || !blobsOf(offer).every(isBlob)) {
      throw errors.internal(`node ${node} offers ${reference} in a form that is not known here`)
    }
    for (const blob of blobsOf(offer)) await take(node, offer.id, blob, onProgress, signal)
    await runtime.load(joinArchive(offer, reference, directory), signal)
    const image = await runtime.image(reference, signal)
    if (image?.id !== offer.id) {
      throw errors.internal(`node ${node} sent ${image?.id ?? 'nothing'} in place of ${offer.id}`)
    }
    for (const { digest } of blobsOf(offer)) await directory.remove(digest)
    return image
  }

  return {
    async fetch(reference, onProgress, signal) {
      const nodes = nodesWithImage(informers.for<Node>(refs.nodes).list(), reference, nodeName)
      if (nodes.length === 0) return undefined
      await (await held).prune(keptMs, clock.nowMs())
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

const isBlob = ({ digest, sizeBytes }: Blob): boolean =>
  /^[0-9a-f]{64}$/.test(digest) && Number.isSafeInteger(sizeBytes) && sizeBytes >= 0

/** What comes on channel 1, to its end. Ends too when it is cut off: how much has come tells. */
async function* received(channels: Channels, onProgress?: () => void): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const { channel: number, data } of channels.frames) {
      onProgress?.()
      if (number !== channel.stdout) continue
      if (data === undefined) return
      yield data
    }
  } finally {
    channels.close()
  }
}
