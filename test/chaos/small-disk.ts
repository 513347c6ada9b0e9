import { appendFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { clusterDir, clustersDir } from '../../src/local/layout.ts'
import { run } from '../support/cluster.ts'

/** Room for the agent's state several times over, and filled up within a moment. */
const sizeMegabytes = 96

/**
 * Where a machine's agent keeps its state. The machine is given this directory of the host's when it is switched on, so that what is
 * mounted here is its disk, and stays when it loses power.
 */
const dataDirOf = (cluster: string, node: string): string =>
  join(clusterDir(clustersDir(process.env), cluster), node, 'stormo')

/** Gives a machine, before it is made, a disk of its own that is small, in memory. */
export async function giveSmallDisk(cluster: string, node: string): Promise<void> {
  const dir = dataDirOf(cluster, node)
  mkdirSync(dir, { recursive: true })
  const { code, stderr } = await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMegabytes}m,mode=755`, 'tmpfs', dir])
  if (code !== 0) throw new Error(`no small disk for ${node}: ${stderr}`)
}

/** Lets go of the disk, if there is one; a machine that still runs keeps it until its end. */
export async function takeSmallDisk(cluster: string, node: string): Promise<void> {
  await run('umount', ['--lazy', dataDirOf(cluster, node)])
}

const ballastOf = (cluster: string, node: string): string => join(dataDirOf(cluster, node), 'ballast')

/** Takes all room that is left. */
export function fillDisk(cluster: string, node: string): void {
  for (const bytes of [2 ** 20, 2 ** 12]) {
    try {
      for (let written = 0; written < sizeMegabytes * 2 ** 20; written += bytes)
        appendFileSync(ballastOf(cluster, node), Buffer.alloc(bytes))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
}

export const freeDisk = (cluster: string, node: string): void => rmSync(ballastOf(cluster, node), { force: true })
