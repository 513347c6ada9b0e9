import { createIpCommand } from './pod-network/ip-command.ts'
import { withdrawForwarding } from './pod-network/forwarding.ts'
import { encryptedDeviceOf, routeProtocol } from './pod-network/node-routes.ts'
import { linkLocalAddress } from './pod-network/route-plan.ts'
import { labelSuffix } from './load-balancer/address-announcer.ts'
import type { Exec } from './exec.ts'

export const defaultBridge = 'stormo0'
export const defaultTable = 'stormo'

/**
 * Removes from this machine whatever a network made, also one of which nothing but the traces in the kernel is known:
 * rules, routes, announced addresses, links. What is not there does not matter.
 */
export async function removeNetwork(exec: Exec): Promise<void> {
  const ip = createIpCommand(exec)
  for (const family of ['ip', 'ip6']) await exec('nft', ['delete', 'table', family, defaultTable])
  for (const family of ['-4', '-6']) await ip.attempt(family, 'route', 'flush', 'proto', routeProtocol)
  const links = await ip.list<{ ifname: string; addr_info?: { local?: string; label?: string }[] }>('addr', 'show')
  for (const { ifname, addr_info: addresses = [] } of links) {
    for (const { local, label } of addresses) {
      if (local && label?.endsWith(labelSuffix)) await ip.attempt('addr', 'del', `${local}/32`, 'dev', ifname)
      // The next hop of neighbours' IPv6 routes.
      const isOwn = local !== undefined && addresses.some((one) => one.local && linkLocalAddress(one.local) === local)
      if (isOwn) await ip.attempt('addr', 'del', `${local}/64`, 'dev', ifname)
    }
  }
  const ports = await ip.list<{ ifname: string }>('link', 'show', 'master', defaultBridge)
  for (const link of [
    ...ports.map((one) => one.ifname),
    `${defaultBridge}x`,
    encryptedDeviceOf(defaultBridge),
    defaultBridge,
  ]) {
    await ip.attempt('link', 'del', link)
  }
  await withdrawForwarding(exec, defaultBridge)
}
