import type { Device, Mount } from '../../runtime/runtime.ts'
import type { AnyContainer } from '../core/pod-view.ts'
import type { DeviceAccess } from '../devices/device-api.ts'
import type { MountedVolume } from '../volumes/pod-volumes.ts'
import { ConfigError } from './container-env.ts'

/** Devices of the plugins' that a container was given. */
export const grantedDevices = (granted: readonly DeviceAccess[]): Device[] =>
  granted.flatMap(({ devices }) =>
    devices.map(({ hostPath, containerPath, permissions }) => ({
      source: hostPath,
      target: containerPath,
      permissions: permissions === '' ? 'mrw' : permissions,
    })),
  )

export const deviceMounts = (granted: readonly DeviceAccess[]): Mount[] =>
  granted.flatMap(({ mounts }) =>
    mounts.map(({ hostPath, containerPath, readOnly }) => ({
      source: hostPath,
      target: containerPath,
      readOnly,
      propagation: 'rprivate' as const,
    })),
  )

/** Claims that a container has as block devices (volumeDevices). Throws {@link ConfigError} for what is none. */
export function blockDevices(container: AnyContainer, mounted: ReadonlyMap<string, MountedVolume>): Device[] {
  return (container.volumeDevices ?? []).map(({ name, devicePath }) => {
    const volume = mounted.get(name)
    if (volume?.isDevice !== true)
      throw new ConfigError(`volume "${name}" has volumeMode Filesystem, but is used as a device`)
    return { source: volume.path, target: devicePath, permissions: volume.readOnly ? 'r' : 'mrw' }
  })
}
