import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { exec } from '../../lib/exec.ts'
import type { DeviceAccess } from './device-api.ts'

/** One graphics processor of NVIDIA's, by its number in /dev. */
export interface NvidiaDevice {
  readonly index: number
  /** Such as `GPU-5a1f…`; the number where nvidia-smi does not say. */
  readonly id: string
}

export const nvidiaResource = 'nvidia.com/gpu'
/** Nodes that every process needs which uses any of them. */
const sharedNodes = ['nvidiactl', 'nvidia-uvm', 'nvidia-uvm-tools', 'nvidia-modeset']
const smiTimeoutMs = 10_000

/** Devices by their nodes in /dev, with the ids that `nvidia-smi -L` gives them. Empty on a machine without. */
export async function findNvidiaDevices(
  deviceDirectory = '/dev',
  listed: () => Promise<string> = nvidiaSmi,
): Promise<NvidiaDevice[]> {
  const names = await readdir(deviceDirectory).catch(() => [])
  const indices = names.flatMap((name) => /^nvidia(\d+)$/.exec(name)?.slice(1).map(Number) ?? [])
  if (indices.length === 0) return []
  const ids = parseNvidiaList(await listed().catch(() => ''))
  return indices.toSorted((a, b) => a - b).map((index) => ({ index, id: ids.get(index) ?? String(index) }))
}

const nvidiaSmi = async (): Promise<string> => (await exec('nvidia-smi', ['-L'], { timeoutMs: smiTimeoutMs })).stdout

/** Lines such as `GPU 0: Tesla T4 (UUID: GPU-5a1f…)`. */
export function parseNvidiaList(text: string): Map<number, string> {
  const lines = text.matchAll(/^GPU (\d+):.*\(UUID: (\S+)\)$/gm)
  return new Map([...lines].map(([, index, id]) => [Number(index), id ?? '']))
}

/**
 * What a container gets with its devices: their nodes, and the variable by which NVIDIA's own OCI runtime, where it is
 * installed, mounts the driver's libraries.
 */
export async function nvidiaAccess(
  devices: readonly NvidiaDevice[],
  deviceIds: readonly string[],
  deviceDirectory = '/dev',
): Promise<DeviceAccess> {
  const present: string[] = await readdir(deviceDirectory).catch(() => [])
  const own = devices.filter(({ id }) => deviceIds.includes(id)).map(({ index }) => `nvidia${index}`)
  const names = [...own, ...sharedNodes.filter((name) => present.includes(name))]
  return {
    envs: { NVIDIA_VISIBLE_DEVICES: deviceIds.join(',') },
    mounts: [],
    devices: names.map((name) => {
      const path = join(deviceDirectory, name)
      return { hostPath: path, containerPath: join('/dev', name), permissions: 'rw' }
    }),
  }
}
