import { setTimeout as sleep } from 'node:timers/promises'
import { lmdbDisk } from '../lmdb-disk.ts'

/*
 * A process of its own that commits to a disk until it is killed: `disk-writer.ts <path>`. Prints `committed n` for each
 * commit once it is acknowledged. When one is refused it prints `refused n`, and tries until it is taken; then it ends.
 */
const retryMs = 50
const [path = ''] = process.argv.slice(2)
const disk = lmdbDisk({ path })
const entriesPerCommit = 20
const value = new Uint8Array(1_000).fill(7)
const keysOf = (commit: number): string[] =>
  Array.from({ length: entriesPerCommit }, (_, entry) => `d/${String(commit).padStart(6, '0')}/${entry}`)
const put = (commit: number): Promise<void> =>
  disk.commit({ put: keysOf(commit).map((key) => [key, value] as const), remove: [] })

async function untilTaken(commit: number): Promise<void> {
  for (;;) {
    await sleep(retryMs)
    try {
      return await put(commit)
    } catch {
      // The disk is still full.
    }
  }
}

for (let isRefused = false, commit = 0; !isRefused; commit += 1) {
  try {
    await put(commit)
  } catch (error) {
    isRefused = true
    process.stdout.write(`refused ${commit} ${String(error)}\n`)
    await untilTaken(commit)
  }
  process.stdout.write(`committed ${commit}\n`)
}
await disk.close()
