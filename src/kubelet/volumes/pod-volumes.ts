import { createHash } from 'node:crypto'
import { chmod, chown, mkdir, readdir, rm, stat } from 'node:fs/promises'
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../api/kinds.ts'
import { execOk } from '../../lib/exec.ts'
import { quantityValue } from '../../lib/quantity.ts'
import type { DownwardFacts } from '../pod/field-path.ts'
import type { PodSources } from '../pod/container-env.ts'
import type { CsiVolumes } from '../csi/csi-volumes.ts'
import { inlineCsiVolume, persistentCsiVolume } from '../csi/csi-volume.ts'
import { writeAtomically } from './atomic-writer.ts'
import { prepareHostPath } from './host-path.ts'
import type { ImageVolumes } from './image-volumes.ts'
import { isMountPoint, unmountBelow } from './mount-points.ts'
import {
  configMapPayload,
  downwardPayload,
  projectedPayload,
  secretPayload,
  VolumeError,
  type Payload,
} from './payload.ts'
import { podPaths, type PodPaths } from './pod-paths.ts'
import type { ServiceAccountTokens } from './service-account-tokens.ts'

export interface VolumeSources extends PodSources {
  claim(name: string): PersistentVolumeClaim | undefined
  volume(name: string): PersistentVolume | undefined
}

export interface PodVolumesOptions {
  readonly dataDir: string
  readonly tokens: ServiceAccountTokens
  /** A new word each time, for names of versions. */
  readonly nextVersion: () => string
  readonly csi: CsiVolumes
  readonly images: ImageVolumes
}

/** A mounted volume: where it is on the node. */
export interface MountedVolume {
  readonly path: string
  readonly readOnly: boolean
  /** The path is a block device, which is not mounted but given. */
  readonly isDevice?: boolean
}

/** Makes the volumes of one pod, keeps those up to date that mirror API objects, and takes them away. */
export interface PodVolumes {
  /**
   * Level-triggered: makes what is missing and rewrites what has changed. Throws {@link VolumeError} naming the volume
   * (`MountVolume.SetUp failed for volume "x" : …`); others are made all the same.
   */
  mount(
    pod: Pod,
    sources: VolumeSources,
    facts: DownwardFacts,
    signal: AbortSignal,
  ): Promise<Map<string, MountedVolume>>
  /** Unmounts and removes everything of the pod. */
  unmount(podUid: string): Promise<void>
}

export function createPodVolumes(options: PodVolumesOptions): PodVolumes {
  /** Digest of what was last written, by volume directory. */
  const written = new Map<string, string>()

  async function write(path: string, payload: Payload, pod: Pod): Promise<MountedVolume> {
    const digest = digestOf(payload)
    if (written.get(path) !== digest) {
      await writeAtomically(path, payload, options.nextVersion(), pod.spec?.securityContext?.fsGroup)
      written.set(path, digest)
    }
    return { path, readOnly: true }
  }

  async function tokensOf(pod: Pod, volume: Volume): Promise<Map<string, string>> {
    const tokens = new Map<string, string>()
    for (const { serviceAccountToken: wanted } of volume.projected?.sources ?? []) {
      if (!wanted) continue
      const { token } = await options.tokens.issued(pod, wanted.audience, wanted.expirationSeconds)
      tokens.set(wanted.path, token)
    }
    return tokens
  }

  async function mountOne(
    pod: Pod,
    volume: Volume,
    paths: PodPaths,
    sources: VolumeSources,
    facts: DownwardFacts,
    signal: AbortSignal,
  ): Promise<MountedVolume> {
    const { name, configMap, secret, downwardAPI, projected, emptyDir, hostPath } = volume
    if (configMap) {
      const payload = configMapPayload(configMap.name ?? '', configMap, sources, configMap.defaultMode)
      return write(paths.volume('configmap', name), payload, pod)
    }
    if (secret) {
      const payload = secretPayload(secret.secretName ?? '', secret, sources, secret.defaultMode)
      return write(paths.volume('secret', name), payload, pod)
    }
    if (downwardAPI) {
      const payload = downwardPayload(pod, downwardAPI.items ?? [], facts, downwardAPI.defaultMode)
      return write(paths.volume('downward-api', name), payload, pod)
    }
    if (projected) {
      const tokens = await tokensOf(pod, volume)
      const mode = projected.defaultMode ?? 0o644
      const payload = projectedPayload(pod, projected.sources ?? [], mode, sources, facts, tokens)
      return write(paths.volume('projected', name), payload, pod)
    }
    if (hostPath) {
      await prepareHostPath(hostPath.path, hostPath.type ?? '')
      return { path: hostPath.path, readOnly: false }
    }
    if (volume.persistentVolumeClaim || volume.ephemeral) return mountClaim(pod, volume, sources, options.csi, signal)
    if (volume.image) return { path: await options.images.mount(pod, volume, signal), readOnly: true }
    const inline = inlineCsiVolume(pod, volume)
    if (inline !== undefined) return { path: await options.csi.mount(pod, inline, signal), readOnly: inline.readOnly }
    if (emptyDir || Object.keys(volume).length === 1) return mountEmptyDir(pod, volume, paths.volume('empty-dir', name))
    const kind = Object.keys(volume).find((key) => key !== 'name')
    throw new VolumeError(`no volume plugin matched: volumes of type ${kind} are not served by this node`)
  }

  return {
    async mount(pod, sources, facts, signal) {
      const paths = podPaths(options.dataDir, pod.metadata.uid ?? '')
      const mounted = new Map<string, MountedVolume>()
      let failure: VolumeError | undefined
      for (const volume of pod.spec?.volumes ?? []) {
        try {
          mounted.set(volume.name, await mountOne(pod, volume, paths, sources, facts, signal))
        } catch (error) {
          const message = `MountVolume.SetUp failed for volume "${volume.name}" : ${(error as Error).message}`
          failure ??= new VolumeError(message, { cause: error })
        }
      }
      if (failure !== undefined) throw failure
      return mounted
    },

    async unmount(podUid) {
      const paths = podPaths(options.dataDir, podUid)
      options.tokens.forget(podUid)
      await options.csi.unmount(podUid)
      await options.images.unmount(podUid)
      for (const root of [paths.root, paths.memoryRoot]) {
        for (const path of written.keys()) if (path.startsWith(`${root}/`)) written.delete(path)
        await unmountBelow(root)
        await rm(root, { recursive: true, force: true })
      }
    },
  }
}

function digestOf(payload: Payload): string {
  const hash = createHash('sha256')
  for (const path of [...payload.keys()].toSorted()) {
    const file = payload.get(path)
    hash.update(`${path}\0${file?.mode}\0${file?.user}\0${file?.content.length}\0`).update(file?.content ?? '')
  }
  return hash.digest('hex')
}

async function mountEmptyDir(pod: Pod, volume: Volume, path: string): Promise<MountedVolume> {
  const exists = await readdir(path).then(
    () => true,
    () => false,
  )
  if (exists && (volume.emptyDir?.medium !== 'Memory' || (await isMountPoint(path)))) return { path, readOnly: false }
  await mkdir(path, { recursive: true })
  if (volume.emptyDir?.medium === 'Memory') {
    const { sizeLimit } = volume.emptyDir
    const bytes = sizeLimit === undefined ? 0 : quantityValue(sizeLimit)
    const size = bytes > 0 ? `size=${bytes},` : ''
    await execOk('mount', ['-t', 'tmpfs', '-o', `${size}mode=0777`, 'tmpfs', path])
  }
  await applyGroup(path, pod.spec?.securityContext?.fsGroup, 0o777)
  return { path, readOnly: false }
}

/** The pod's group owns the directory, and what is made in it (setgid). */
async function applyGroup(path: string, group: number | undefined, mode: number): Promise<void> {
  if (group !== undefined) await chown(path, 0, group)
  await chmod(path, group === undefined ? mode : mode | 0o2070)
}

/** A claim that is bound to a volume of this node, `local` and `hostPath`, or of a driver's. */
async function mountClaim(
  pod: Pod,
  volume: Volume,
  sources: VolumeSources,
  csi: CsiVolumes,
  signal: AbortSignal,
): Promise<MountedVolume> {
  const claimName = volume.persistentVolumeClaim?.claimName ?? `${pod.metadata.name}-${volume.name}`
  const claim = sources.claim(claimName)
  if (claim === undefined) throw new VolumeError(`persistentvolumeclaim "${claimName}" not found`)
  const owns = claim.metadata.ownerReferences?.some((one) => one.controller && one.uid === pod.metadata.uid)
  if (volume.ephemeral && !owns) {
    const { namespace, name } = pod.metadata
    throw new VolumeError(
      `PVC ${namespace}/${claimName} was not created for pod ${namespace}/${name} (pod is not owner)`,
    )
  }
  if (claim.status?.phase !== 'Bound' || !claim.spec?.volumeName) throw new VolumeError(`PVC ${claimName} is not bound`)
  const persistent = sources.volume(claim.spec.volumeName)
  const readOnly = volume.persistentVolumeClaim?.readOnly === true
  const served = persistent && persistentCsiVolume(persistent, readOnly)
  if (persistent !== undefined && served !== undefined) {
    const path = await csi.mount(pod, served, signal)
    await csi.expand(pod, served, claim, persistent, signal)
    return { path, readOnly, isDevice: served.block }
  }
  const path = persistent?.spec?.local?.path ?? persistent?.spec?.hostPath?.path
  if (path === undefined) throw new VolumeError(`volume ${claim.spec.volumeName} has no path on this node`)
  if (persistent?.spec?.volumeMode === 'Block') {
    await prepareHostPath(path, 'BlockDevice')
    return { path, readOnly, isDevice: true }
  }
  const type = persistent?.spec?.hostPath === undefined ? 'Directory' : (persistent.spec.hostPath.type ?? '')
  // Volumes of the node-local provisioner are made by the first pod that mounts them.
  await prepareHostPath(path, type === 'Directory' ? 'DirectoryOrCreate' : type)
  const group = pod.spec?.securityContext?.fsGroup
  // Of the node's own paths nothing is changed, as upstream's hostPath has it.
  if (group !== undefined && persistent?.spec?.local) await applyGroup(path, group, (await stat(path)).mode & 0o777)
  return { path, readOnly }
}
