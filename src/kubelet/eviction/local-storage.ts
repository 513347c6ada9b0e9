import type { Pod } from '../../api/kinds.ts'
import { execOk } from '../../lib/exec.ts'
import { quantityValue } from '../../lib/quantity.ts'
import { podPaths } from '../volumes/pod-paths.ts'

const diskUseTimeoutMs = 20_000

/** Bytes that a directory holds on its own file system; 0 when it is not there. */
export async function diskUse(path: string): Promise<number> {
  try {
    const text = await execOk('du', ['-s', '-x', '-B1', path], { timeoutMs: diskUseTimeoutMs })
    return Number(text.split('\t')[0])
  } catch {
    return 0
  }
}

/** Why a pod must go for what it has written, by the limits of its own volumes (upstream localStorageEviction). */
export async function exceededVolume(dataDir: string, pod: Pod): Promise<string | undefined> {
  const paths = podPaths(dataDir, pod.metadata.uid ?? '')
  for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
    // A volume in memory has its limit from the kernel.
    if (emptyDir?.sizeLimit === undefined || emptyDir.medium === 'Memory') continue
    const limit = quantityValue(emptyDir.sizeLimit)
    if (limit > 0 && (await diskUse(paths.volume('empty-dir', name))) > limit) {
      return `Usage of EmptyDir volume "${name}" exceeds the limit "${emptyDir.sizeLimit}". `
    }
  }
  return undefined
}
