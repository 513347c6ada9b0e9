import { readFile } from 'node:fs/promises'
import { replaceFile } from '../replace-file.ts'
import type { DeviceAccess } from './device-api.ts'

/** Devices of one container, and what came with them. */
export interface DeviceGrant {
  readonly podUid: string
  readonly container: string
  readonly resource: string
  readonly deviceIds: readonly string[]
  /** A later container of the pod may have the same ones. */
  readonly isTransient: boolean
  readonly access: DeviceAccess
}

/** What outlives the agent: a device is given once, whatever happens to who gave it. */
export interface DeviceCheckpoint {
  readonly grants: readonly DeviceGrant[]
  /** Resources that plugins have offered: of these none is given while no plugin is there. */
  readonly resources: readonly string[]
}

export async function readCheckpoint(path: string): Promise<DeviceCheckpoint> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  return text === undefined ? { grants: [], resources: [] } : (JSON.parse(text) as DeviceCheckpoint)
}

export const writeCheckpoint = (path: string, checkpoint: DeviceCheckpoint): Promise<void> =>
  replaceFile(path, JSON.stringify(checkpoint), 0o600)
