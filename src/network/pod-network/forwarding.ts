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
  if (!(await forwardsNothing(exec))) return
  for (const rule of await missingRules(exec, bridge)) await tryIptables(exec, ['-I', 'FORWARD', ...rule])
}

/** Whether the machine drops what `allowForwarding` would let through. */
export const isForwardingBlocked = async (exec: Exec, bridge: string): Promise<boolean> =>
  (await forwardsNothing(exec)) && (await missingRules(exec, bridge)).length > 0

async function forwardsNothing(exec: Exec): Promise<boolean> {
  const policy = await tryIptables(exec, ['-S', 'FORWARD'])
  return policy?.startsWith('-P FORWARD DROP') ?? false
}

async function missingRules(exec: Exec, bridge: string): Promise<string[][]> {
  const missing: string[][] = []
  for (const rule of rulesOf(bridge))
    if ((await tryIptables(exec, ['-C', 'FORWARD', ...rule])) === undefined) missing.push(rule)
  return missing
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
