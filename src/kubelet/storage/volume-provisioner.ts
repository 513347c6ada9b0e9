import { chmod, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type {
  Node,
  ObjectReference,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
} from '../../api/kinds.ts'
import type { GroupResource, KubeObject } from '../../api/object.ts'
import { isStatus } from '../../api/status-error.ts'
import { refs, type Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Informers } from '../../client/informer.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Service } from '../../lib/service.ts'
import {
  boundClaim,
  boundClaimStatus,
  claimFinalizer,
  grownSize,
  isClaimInUse,
  isOwnVolume,
  localPathProvisioner,
  provisionedVolume,
  provisioningNode,
  volumeFinalizer,
  volumeNameOf,
} from './local-path.ts'

export interface VolumeProvisionerOptions {
  readonly nodeName: string
  readonly client: Client
  readonly informers: Informers
  readonly events: EventRecorder
  readonly clock: Clock
  readonly logger: Logger
  /** The volumes' directories are made in it. */
  readonly directory: string
}

/** Changes that come together are looked at together. */
const settleMs = 20
const retryMs = 2_000
const resyncMs = 60_000

/**
 * Makes, binds, grows and removes the volumes of this node's `stormo.dev/local-path` claims. Everything is looked at
 * anew each time, so that a node which was away goes on where it stopped.
 *
 * Not promised: that a directory stays within the size that its claim asked for.
 */
export function createVolumeProvisioner(options: VolumeProvisionerOptions): Service {
  const { nodeName, client, informers, events, clock, logger } = options
  const claims = informers.for<PersistentVolumeClaim>(refs.persistentVolumeClaims)
  const volumes = informers.for<PersistentVolume>(refs.persistentVolumes)
  const classes = informers.for<StorageClass>(refs.storageClasses)
  const pods = informers.for<Pod>(refs.pods)
  const nodes = informers.for<Node>(refs.nodes)
  const stops: (() => void)[] = []
  let timer: Timer | undefined
  let running: Promise<void> | undefined
  let closed = false

  function look(delayMs: number): void {
    if (closed) return
    timer?.cancel()
    timer = clock.after(delayMs, () => {
      running = (running ?? Promise.resolve()).then(lookAtAll)
    })
  }

  async function lookAtAll(): Promise<void> {
    let failed = false
    const attempt = async (name: string, work: () => Promise<void>): Promise<void> => {
      if (closed) return
      await work().catch((error: unknown) => {
        failed = true
        logger.warn({ name, error: (error as Error).message }, 'volume could not be brought to its state; trying again')
      })
    }
    for (const claim of claims.list()) await attempt(volumeNameOf(claim), () => provision(claim))
    for (const volume of volumes.list()) {
      if (isOwnVolume(volume, nodeName)) await attempt(volume.metadata.name ?? '', () => keep(volume))
    }
    look(failed ? retryMs : resyncMs)
  }

  async function provision(claim: PersistentVolumeClaim): Promise<void> {
    const storageClass = classes.get('', claim.spec?.storageClassName ?? '')
    if (storageClass?.provisioner !== localPathProvisioner || claim.spec?.volumeName) return
    if (claim.metadata.deletionTimestamp || volumes.get('', volumeNameOf(claim)) !== undefined) return
    if (provisioningNode(claim, storageClass, nodes.list()) !== nodeName) return
    const reference = claimObject(claim)
    if (claim.spec?.volumeMode === 'Block') {
      const message = `failed to provision volume with StorageClass "${storageClass.metadata.name}": volumes of this class are directories: volumeMode Block is not supported`
      return events.event(reference, 'Warning', 'ProvisioningFailed', message)
    }
    const hostname = nodes.get('', nodeName)?.metadata.labels?.['kubernetes.io/hostname'] ?? nodeName
    const volume = provisionedVolume(claim, storageClass, { name: nodeName, hostname }, options.directory)
    const directory = join(options.directory, volumeNameOf(claim))
    await mkdir(directory, { recursive: true })
    // Any user of any pod may write; a mode given at creation is cut by the umask.
    await chmod(directory, 0o777)
    await client.create(refs.persistentVolumes, volume).catch((error: unknown) => {
      if (!isStatus(error, 'AlreadyExists')) throw error
    })
    const message = `Successfully provisioned volume ${volume.metadata.name}`
    events.event(reference, 'Normal', 'ProvisioningSucceeded', message)
    await bind(claim, volume)
  }

  /** A volume of ours: with its claim, or on its way out. */
  async function keep(volume: PersistentVolume): Promise<void> {
    const { namespace = '', name = '', uid } = volume.spec?.claimRef ?? {}
    const claim = claims.get(namespace, name)
    if (claim?.metadata.uid !== uid || claim === undefined) return release(volume)
    if (claim.metadata.deletionTimestamp && !isClaimInUse(claim, pods.list(namespace))) {
      await withoutFinalizer(refs.persistentVolumeClaims, claim, claimFinalizer)
      return
    }
    await grow(claim, volume)
    await bind(claim, volume)
  }

  async function bind(claim: PersistentVolumeClaim, volume: PersistentVolume): Promise<void> {
    const { namespace = '', name = '' } = claim.metadata
    const volumeName = volume.metadata.name ?? ''
    if (boundClaim(claim, volumeName) !== undefined) {
      await client.mutate<PersistentVolumeClaim>(refs.persistentVolumeClaims, namespace, name, (current) =>
        boundClaim(current, volumeName),
      )
    }
    await setPhase(volume, 'Bound')
    const size = volumes.get('', volumeName) ?? volume
    if (boundClaimStatus(claim, size) === undefined) return
    await client.mutate<PersistentVolumeClaim>(
      refs.persistentVolumeClaims,
      namespace,
      name,
      (current) => {
        const status = boundClaimStatus(current, size)
        return status && { ...current, status }
      },
      { subresource: 'status' },
    )
  }

  async function grow(claim: PersistentVolumeClaim, volume: PersistentVolume): Promise<void> {
    if (grownSize(claim, volume) === undefined) return
    await client.mutate<PersistentVolume>(refs.persistentVolumes, '', volume.metadata.name ?? '', (current) => {
      const storage = grownSize(claim, current)
      return storage === undefined ? undefined : { ...current, spec: { ...current.spec, capacity: { storage } } }
    })
    events.event(claimObject(claim), 'Normal', 'VolumeResizeSuccessful', 'Resize volume succeeded')
  }

  /** Its claim is gone: the directory goes with the volume, unless the policy keeps both. */
  async function release(volume: PersistentVolume): Promise<void> {
    const name = volume.metadata.name ?? ''
    const deletes = volume.spec?.persistentVolumeReclaimPolicy === 'Delete'
    if (!deletes && !volume.metadata.deletionTimestamp) return setPhase(volume, 'Released')
    if (deletes) {
      await setPhase(volume, 'Released')
      await rm(join(options.directory, name), { recursive: true, force: true })
      if (!volume.metadata.deletionTimestamp) await client.delete(refs.persistentVolumes, '', name)
    }
    await withoutFinalizer(refs.persistentVolumes, volume, volumeFinalizer)
  }

  async function setPhase(volume: PersistentVolume, phase: string): Promise<void> {
    const { name = '' } = volume.metadata
    if (volume.status?.phase === phase) return
    const change = (current: PersistentVolume): PersistentVolume | undefined =>
      current.status?.phase === phase ? undefined : { ...current, status: { ...current.status, phase } }
    await client.mutate<PersistentVolume>(refs.persistentVolumes, '', name, change, { subresource: 'status' })
  }

  async function withoutFinalizer(ref: GroupResource, object: KubeObject, finalizer: string): Promise<void> {
    const { namespace = '', name = '' } = object.metadata
    const change = (current: KubeObject): KubeObject | undefined => {
      const { finalizers = [] } = current.metadata
      if (!finalizers.includes(finalizer)) return undefined
      const rest = finalizers.filter((one) => one !== finalizer)
      return { ...current, metadata: { ...current.metadata, finalizers: rest } }
    }
    await client.mutate(ref, namespace, name, change).catch((error: unknown) => {
      if (!isStatus(error, 'NotFound')) throw error
    })
  }

  return {
    async start() {
      await mkdir(options.directory, { recursive: true, mode: 0o711 })
      const ours = [refs.persistentVolumeClaims, refs.persistentVolumes, refs.storageClasses]
      for (const ref of ours) stops.push(informers.for(ref).onChange(() => look(settleMs)))
      stops.push(
        pods.onChange(({ object }) => {
          // A claim that is being deleted waits for the pods that use it.
          if (object === undefined || object.metadata.deletionTimestamp || object.status?.phase !== 'Running')
            look(settleMs)
        }),
      )
      look(0)
    },
    async stop() {
      closed = true
      timer?.cancel()
      for (const stop of stops) stop()
      await running
    },
  }
}

const claimObject = ({ metadata }: PersistentVolumeClaim): ObjectReference => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  namespace: metadata.namespace,
  name: metadata.name,
  uid: metadata.uid,
  resourceVersion: metadata.resourceVersion,
})
