import type { Exec } from '../exec.ts'

const comment = 'stormo'

/** One rule for packets from the pods and one for packets to them. */
const rulesOf = (bridge: string): string[][] =>
  ['-i', '-o'].map((side) => [side, bridge, '-m', 'comment', '--comment', comment, '-j', 'ACCEPT'])

/**
 * Lets forwarded pod traffic through where somebody else made the machine drop it: Docker sets the policy of FORWARD
 * to DROP when it turns forwarding on itself. An accept in a table of ours would not help: every table is asked.
 */
export async function allowForwarding(exec: Exec, bridge: string): Promise<void> {
  const policy = await tryIptables(exec, ['-S', 'FORWARD'])
  if (!policy?.startsWith('-P FORWARD DROP')) return
  for (const rule of rulesOf(bridge)) {
    if ((await tryIptables(exec, ['-C', 'FORWARD', ...rule])) === undefined) {
      await tryIptables(exec, ['-I', 'FORWARD', ...rule])
    }
  }
}

export async function withdrawForwarding(exec: Exec, bridge: string): Promise<void> {
  for (const rule of rulesOf(bridge)) await tryIptables(exec, ['-D', 'FORWARD', ...rule])
}

/** Output, or undefined when it failed or there is no iptables: then nobody set a policy with it either. */
async function tryIptables(exec: Exec, args: readonly string[]): Promise<string | undefined> {
  try {
    const { code, stdout } = await exec('iptables', ['-w', ...args], { timeoutMs: 15_000 })
    return code === 0 ? stdout : undefined
  } catch {
    return undefined
  }
}
