import type { DecisionLog } from '../decision/decision-log.ts'
import type { ServiceAddresses } from './ports.ts'

/** Addresses from this node's reserve, and given ones by decision (architecture §4). */
export function decisionServiceAddresses(
  log: Pick<DecisionLog, 'takeClusterIp' | 'takeNodePort' | 'returnClusterIp' | 'returnNodePort' | 'command'>,
  node: string,
): ServiceAddresses {
  return {
    takeClusterIp: () => log.takeClusterIp(),
    takeNodePort: () => log.takeNodePort(),
    returnClusterIp: (ip) => log.returnClusterIp(ip),
    returnNodePort: (port) => log.returnNodePort(port),
    claim: async (what) => void (await log.command({ type: 'claim', node, ...what })),
    release: async (what) => void (await log.command({ type: 'release', ...what })),
  }
}
