import { readFileSync } from 'node:fs'

const capSysResource = 24n
const lowest = -1000

/**
 * The lowest oom_score_adj that this machine lets us give a container. Without CAP_SYS_RESOURCE (some sandboxes) a
 * process may not go below its own, and runc fails instead of ignoring it.
 */
export function lowestOomScoreAdjust(): number {
  try {
    const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
    if ((BigInt(`0x${effective}`) >> capSysResource) & 1n) return lowest
    return Number(readFileSync('/proc/self/oom_score_adj', 'utf8'))
  } catch {
    return lowest
  }
}
