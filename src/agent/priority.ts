import { writeFile } from 'node:fs/promises'
import { setPriority } from 'node:os'
import type { Logger } from '../lib/log.ts'

const niceness = -10

/**
 * Puts this process before its pods where they starve the machine: an agent that is not scheduled for a second loses its
 * leader's heartbeats and its node's lease. Niceness counts only inside a scheduling group; where the kernel makes one of
 * each session (sched(7), "The autogroup feature"), the group is what must come first. Under systemd it is CPUWeight.
 * Short-lived children inherit both; one that carries pods' traffic gets a session and a priority of its own.
 */
export async function precedePods(logger: Logger): Promise<void> {
  try {
    setPriority(niceness)
    await writeFile('/proc/self/autogroup', String(niceness)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
  } catch (error) {
    logger.warn({ error: String(error) }, 'the agent runs at the priority of its pods')
  }
}
