import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { systemRandom, systemClock } from '../../src/lib/system.ts'
import { lmdbDisk } from '../../src/store/lmdb-disk.ts'
import { openStore, type ObjectStore } from '../../src/store/object-store.ts'
import type { Change } from '../../src/store/replica.ts'
import { podLayout } from './sample-pod.ts'

/** A store on a real disk, as the agent opens it. */
export interface BenchStore {
  store: ObjectStore
  /** What it would have broadcast since it was last asked. */
  takeOutgoing(): Change[]
  bytesOnDisk(): Promise<number>
  /** Closes it and opens it again. */
  reopen(): Promise<BenchStore>
  dispose(): Promise<void>
}

const encryptionKey = new Uint8Array(32).fill(9)

export async function benchStore(nodeNumber: number, path?: string, clock: Clock = systemClock): Promise<BenchStore> {
  const directory = path ?? (await mkdtemp(join(tmpdir(), 'bench-store-')))
  const disk = lmdbDisk({ path: directory, encryptionKey })
  const store = await openStore({
    disk,
    clock,
    random: systemRandom,
    logger: silentLogger,
    nodeNumber,
    layout: podLayout,
  })
  let outgoing: Change[] = []
  store.onLocalChanges((changes) => {
    outgoing.push(...changes)
    return Promise.resolve()
  })
  const close = async () => {
    await store.stop()
    await disk.close()
  }
  return {
    store,
    takeOutgoing() {
      const taken = outgoing
      outgoing = []
      return taken
    },
    async bytesOnDisk() {
      let bytes = 0
      for (const name of await readdir(directory)) bytes += (await stat(join(directory, name))).size
      return bytes
    },
    async reopen() {
      await close()
      return benchStore(nodeNumber, directory, clock)
    },
    async dispose() {
      await close()
      await rm(directory, { recursive: true })
    },
  }
}
