import { mkdir } from 'node:fs/promises'
import { execOk } from '../../lib/exec.ts'
import { isMountPoint } from './mount-points.ts'
import { memoryDirectory } from './pod-paths.ts'

/**
 * Keeps what is secret off the disk: the volumes that show Secrets and tokens live in the machine's memory. One file
 * system for all pods, because a mount for each volume would be paid at the start of every pod. It outlives the agent.
 */
export async function mountMemoryDirectory(dataDir: string): Promise<void> {
  const path = memoryDirectory(dataDir)
  await mkdir(path, { recursive: true, mode: 0o750 })
  if (await isMountPoint(path)) return
  await execOk('mount', ['-t', 'tmpfs', '-o', 'mode=0750,nosuid,nodev', 'tmpfs', path])
}
