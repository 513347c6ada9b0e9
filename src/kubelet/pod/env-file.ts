import { open, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { AnyContainer } from '../core/pod-view.ts'
import type { MountedVolume } from '../volumes/pod-volumes.ts'
import { ConfigError } from './container-env.ts'

/** As much of a file is read (KEP-3721). */
const maxFileBytes = 64 * 1024

const assignment = /^[ \t]*([^#=\s][^=]*?)=(?:'([^']*)'|([^\n]*))[ \t]*$/gm

/**
 * The value of a variable in a file of `NAME='value'` lines (KEP-3721): within the quotes everything is itself, line
 * feeds too. Without quotes the value is what is left of the line, up to a `#`. The first one counts.
 */
export function envFileValue(text: string, key: string): string | undefined {
  for (const [, name, quoted, bare] of text.matchAll(assignment)) {
    if (name === key) return quoted ?? bare?.replace(/#.*$/, '').trim()
  }
  return undefined
}

/** Content of the files that a container's variables come from, by {@link envFileKey}; what is missing is not there. */
export async function readEnvFiles(
  container: AnyContainer,
  mounted: ReadonlyMap<string, MountedVolume>,
): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const { valueFrom } of container.env ?? []) {
    const wanted = valueFrom?.fileKeyRef
    if (!wanted || files.has(envFileKey(wanted.volumeName, wanted.path))) continue
    const volume = mounted.get(wanted.volumeName)
    if (volume === undefined)
      throw new ConfigError(`cannot find the volume "${wanted.volumeName}" referenced by FileKeyRef`)
    const text = await textWithin(volume.path, wanted.path)
    if (text !== undefined) files.set(envFileKey(wanted.volumeName, wanted.path), text)
  }
  return files
}

export const envFileKey = (volume: string, path: string): string => `${volume}/${path}`

/** Links are followed only inside the volume: the pod writes it, and must not read the node's files through it. */
async function textWithin(root: string, path: string): Promise<string | undefined> {
  const realRoot = await realpath(root)
  const real = await realpath(join(realRoot, path)).catch(() => undefined)
  if (real === undefined) return undefined
  if (!real.startsWith(realRoot + sep)) throw new ConfigError(`file ${JSON.stringify(path)} leads out of its volume`)
  const file = await open(real)
  try {
    if (!(await file.stat()).isFile()) throw new ConfigError(`${JSON.stringify(path)} is not a file`)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxFileBytes), 0, maxFileBytes, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}
