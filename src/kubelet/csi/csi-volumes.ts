import { mkdir, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type {
  CSIDriver,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Secret,
  VolumeAttachment,
} from '../../api/kinds.ts'
import { refs, type Client } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { Clock } from '../../lib/clock.ts'
import { createKeyedQueue } from '../keyed-queue.ts'
import { giveToGroup } from '../volumes/group-ownership.ts'
import { unmountBelow } from '../volumes/mount-points.ts'
import { VolumeError } from '../volumes/payload.ts'
import type { ServiceAccountTokens } from '../volumes/service-account-tokens.ts'
import { csiNode, nodeCapabilities } from './csi-api.ts'
import type { CsiDriverConnection, CsiDrivers } from './csi-drivers.ts'
import { expandedClaim, wantedExpansion } from './csi-expansion.ts'
import { recordsIn, removeRecord, writeRecord, type CsiRecord } from './csi-records.ts'
import {
  attachmentName,
  lifecycleRefusal,
  podInfo,
  stagingDirectory,
  takesGroup,
  uniqueVolumeName,
  volumeCapability,
  type CsiVolume,
  type SecretName,
} from './csi-volume.ts'

export interface CsiVolumesOptions {
  /** As drivers are told it: what they mount there must appear here. */
  readonly root: string
  readonly nodeName: string
  readonly client: Client
  readonly informers: Informers
  readonly drivers: CsiDrivers
  readonly tokens: ServiceAccountTokens
  readonly clock: Clock
  /** {@link CsiVolumes.inUse} has changed. */
  readonly onUse: () => void
}

/** Volumes that drivers make available (upstream pkg/volume/csi). */
export interface CsiVolumes {
  /** Level-triggered: where the volume is for this pod. Throws VolumeError, or what the driver says. */
  mount(pod: Pod, volume: CsiVolume, signal: AbortSignal): Promise<string>
  /** After a mount: lets the file system grow to what the volume has got, and says so in the claim. */
  expand(
    pod: Pod,
    volume: CsiVolume,
    claim: PersistentVolumeClaim,
    persistent: PersistentVolume,
    signal: AbortSignal,
  ): Promise<void>
  /** Takes all volumes of a pod from it, and from the node what no other pod uses. */
  unmount(podUid: string): Promise<void>
  /** Names of attached volumes that must not be detached, for the node's status. */
  inUse(): readonly string[]
  /** Reads what an earlier run of the agent has left in use. */
  restore(): Promise<void>
}

const callTimeoutMs = 2 * 60_000
const republishMs = 60_000
const pluginDirectory = 'kubernetes.io~csi'

export function createCsiVolumes(options: CsiVolumesOptions): CsiVolumes {
  const { root, nodeName, informers, drivers, clock } = options
  const inOrder = createKeyedQueue()
  /** When it was published last, by target. */
  const published = new Map<string, number>()
  /** By unique name: how many pods use it, or stage it. */
  const used = new Set<string>()

  const podDirectory = (uid: string): string => join(root, 'pods', uid, 'volumes', pluginDirectory)
  /** A block volume is a file beside the pods': its directory would be looked for files. */
  const targetOf = (uid: string, volume: CsiVolume): string =>
    volume.block
      ? join(root, 'plugins', 'kubernetes.io', 'csi', 'volumeDevices', 'publish', volume.directory, uid)
      : join(podDirectory(uid), volume.directory, 'mount')
  const driverObject = (name: string): CSIDriver | undefined => informers.for<CSIDriver>(refs.csiDrivers).get('', name)

  function connected(driver: string): CsiDriverConnection {
    const found = drivers.get(driver)
    if (found !== undefined) return found
    throw new VolumeError(`driver name ${driver} not found in the list of registered CSI drivers`)
  }

  /** What the driver's controller has said when the volume was attached to this node. */
  function publishContext(volume: CsiVolume): Record<string, string> {
    if (volume.ephemeral || driverObject(volume.driver)?.spec.attachRequired === false) return {}
    const name = attachmentName(volume.handle, volume.driver, nodeName)
    const attachment = informers.for<VolumeAttachment>(refs.volumeAttachments).get('', name)
    if (attachment?.status?.attached !== true) {
      const why = attachment?.status?.attachError?.message
      throw new VolumeError(`volume is not attached to this node yet${why === undefined ? '' : `: ${why}`}`)
    }
    return attachment.status.attachmentMetadata ?? {}
  }

  function secret(name: SecretName | undefined): Record<string, string> {
    if (name === undefined) return {}
    const found = informers.for<Secret>(refs.secrets).get(name.namespace, name.name)
    if (found === undefined) throw new VolumeError(`secret "${name.namespace}/${name.name}" not found`)
    const entries = Object.entries(found.data ?? {})
    return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(String(value), 'base64').toString()]))
  }

  /** Tokens of the pod's account for those that the driver names (KEP-2047). */
  async function accountTokens(pod: Pod, driver: CSIDriver | undefined): Promise<Record<string, string>> {
    const requests = driver?.spec.tokenRequests ?? []
    if (requests.length === 0) return {}
    const tokens: Record<string, { token: string; expirationTimestamp: string }> = {}
    for (const { audience, expirationSeconds } of requests) {
      const { token, expiresAtMs } = await options.tokens.issued(pod, audience, expirationSeconds)
      tokens[audience] = { token, expirationTimestamp: new Date(expiresAtMs).toISOString() }
    }
    return { 'csi.storage.k8s.io/serviceAccount.tokens': JSON.stringify(tokens) }
  }

  function use(volume: CsiVolume): void {
    if (volume.ephemeral) return
    const before = used.size
    used.add(uniqueVolumeName(volume.driver, volume.handle))
    if (used.size !== before) options.onUse()
  }

  async function publish(pod: Pod, volume: CsiVolume, target: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const connection = connected(volume.driver)
    const driver = driverObject(volume.driver)
    const refusal = lifecycleRefusal(volume, driver)
    if (refusal !== undefined) throw new VolumeError(refusal)
    const context = publishContext(volume)
    use(volume)
    const group = pod.spec?.securityContext?.fsGroup
    const delegates = connection.capabilities.has(nodeCapabilities.volumeMountGroup)
    const stages = !volume.ephemeral && connection.capabilities.has(nodeCapabilities.stageUnstage)
    const staging = stagingDirectory(root, volume.driver, volume.handle)
    const record: CsiRecord = {
      driverName: volume.driver,
      volumeHandle: volume.handle,
      attachmentID: attachmentName(volume.handle, volume.driver, nodeName),
      volumeLifecycleMode: volume.ephemeral ? 'Ephemeral' : 'Persistent',
    }
    const common = {
      volumeId: volume.handle,
      publishContext: context,
      stagingTargetPath: stages ? join(staging, 'globalmount') : '',
      volumeCapability: volumeCapability(volume, connection.capabilities, delegates ? group : undefined),
    }
    if (stages) {
      await writeRecord(staging, record)
      await mkdir(common.stagingTargetPath, { recursive: true, mode: 0o750 })
      const request = { ...common, secrets: secret(volume.stageSecret), volumeContext: volume.attributes }
      await connection.call(csiNode.stage, request, callTimeoutMs, signal)
    }
    await writeRecord(join(podDirectory(pod.metadata.uid ?? ''), volume.directory), { ...record, targetPath: target })
    await mkdir(dirname(target), { recursive: true, mode: 0o750 })
    const volumeContext = {
      ...volume.attributes,
      ...podInfo(pod, volume, driver),
      ...(await accountTokens(pod, driver)),
    }
    const request = { ...common, targetPath: target, readonly: volume.readOnly, volumeContext }
    await connection.call(csiNode.publish, { ...request, secrets: secret(volume.publishSecret) }, callTimeoutMs, signal)
    if (group !== undefined && !delegates && takesGroup(volume, driver)) {
      await giveToGroup(target, group, pod.spec?.securityContext?.fsGroupChangePolicy)
    }
    published.set(target, clock.monotonicMs())
  }

  /** Directories of all pods' volumes with their records. */
  async function allPublished(): Promise<Map<string, CsiRecord>> {
    const all = new Map<string, CsiRecord>()
    for (const uid of await readdir(join(root, 'pods')).catch(() => [])) {
      for (const [path, record] of await recordsIn(podDirectory(uid))) all.set(path, record)
    }
    return all
  }

  const sameVolume = (a: CsiRecord, b: CsiRecord): boolean =>
    a.driverName === b.driverName && a.volumeHandle === b.volumeHandle

  async function unpublish(directory: string, record: CsiRecord): Promise<void> {
    const connection = connected(record.driverName)
    const target = record.targetPath ?? join(directory, 'mount')
    const { volumeHandle: volumeId } = record
    await connection.call(csiNode.unpublish, { volumeId, targetPath: target }, callTimeoutMs)
    published.delete(target)
    await unmountBelow(target)
    await removeRecord(directory)
    if (record.volumeLifecycleMode === 'Ephemeral') return
    const others = [...(await allPublished()).values()]
    if (others.some((one) => sameVolume(one, record))) return
    const staging = stagingDirectory(root, record.driverName, volumeId)
    if (connection.capabilities.has(nodeCapabilities.stageUnstage)) {
      const stagingTargetPath = join(staging, 'globalmount')
      await connection.call(csiNode.unstage, { volumeId, stagingTargetPath }, callTimeoutMs)
      await unmountBelow(stagingTargetPath)
    }
    await removeRecord(staging)
    used.delete(uniqueVolumeName(record.driverName, volumeId))
    options.onUse()
  }

  return {
    mount: (pod, volume, signal) =>
      inOrder(`${volume.driver}^${volume.handle}`, async () => {
        const target = targetOf(pod.metadata.uid ?? '', volume)
        const atMs = published.get(target)
        const isOld = atMs !== undefined && clock.monotonicMs() - atMs >= republishMs
        const again = isOld && driverObject(volume.driver)?.spec.requiresRepublish === true
        if (atMs === undefined || again) await publish(pod, volume, target, signal)
        return target
      }),

    async expand(pod, volume, claim, persistent, signal) {
      const bytes = wantedExpansion(claim, persistent)
      if (bytes === undefined) return
      const connection = connected(volume.driver)
      if (!connection.capabilities.has(nodeCapabilities.expand)) return
      const stages = connection.capabilities.has(nodeCapabilities.stageUnstage)
      const staging = join(stagingDirectory(root, volume.driver, volume.handle), 'globalmount')
      const request = {
        volumeId: volume.handle,
        volumePath: targetOf(pod.metadata.uid ?? '', volume),
        capacityRange: { requiredBytes: bytes, limitBytes: 0 },
        stagingTargetPath: stages ? staging : '',
        volumeCapability: volumeCapability(volume, connection.capabilities, undefined),
        secrets: secret(volume.expandSecret),
      }
      await connection.call(csiNode.expand, request, callTimeoutMs, signal)
      const { namespace = '', name = '' } = claim.metadata
      const change = (current: PersistentVolumeClaim) => expandedClaim(current, persistent)
      await options.client.mutate(refs.persistentVolumeClaims, namespace, name, change, { subresource: 'status' })
    },

    async unmount(podUid) {
      for (const [directory, record] of await recordsIn(podDirectory(podUid))) {
        await inOrder(`${record.driverName}^${record.volumeHandle}`, () => unpublish(directory, record))
      }
    },

    inUse: () => [...used].toSorted(),

    async restore() {
      for (const { driverName, volumeHandle, volumeLifecycleMode } of (await allPublished()).values()) {
        if (volumeLifecycleMode === 'Persistent') used.add(uniqueVolumeName(driverName, volumeHandle))
      }
    },
  }
}
